import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, noPostfix, startPostfixHub } from "../support/postfix-hub.ts";
import { toConnectors } from "../support/rewriting-edge.ts";
import { sendMail } from "../support/send-mail.ts";
import { startTestGateway } from "../support/test-gateway.ts";

const skip = noPostfix();

test("a real Postfix gets the rewritten header octet for octet, out and in", { skip }, async () => {
  await using cleanUp = new AsyncDisposableStack();
  const main = { message_drop_headers: "" };
  const domains = ["corp.example.org", "friend.test"];
  const hub = await startPostfixHub({ domains, main });
  cleanUp.defer(() => hub.stop());
  const edge = await startTestGateway({
    hubPort: hub.port,
    policies: {
      domains: { domains: { "example.org": { verify: "off" }, "corp.example.org": {} } },
      routing: { connectors: toConnectors(hub.port, hub.port) },
      rewriting: { addresses: [{ internal: "corp.example.org", external: "example.org" }] },
    },
    settings: {
      listeners: [
        { name: "internet", listen: "127.0.0.1:0" },
        { name: "inside", kind: "hub", listen: "127.0.0.1:0", from: ["127.0.0.0/8"] },
      ],
    },
  });
  cleanUp.defer(() => edge.remove());
  const inside = edge.gateway.listeners.find(({ name }) => name === "inside")!.port;
  const header = (from: string, to: string) =>
    `From: "Ann (at work)" <Ann@${from}>\r\nReply-To: team: Ann@${from} (me),\r\n\tother@x.test;\r\n` +
    `To: =?utf-8?Q?J=C3=B6rg?= <joerg@friend.test>,\r\n <Ann@${to}>\r\nSubject: Ann@${to}\r\n`;
  const body = "Ann@corp.example.org\r\n.\r\n..x\r\n\r\nend\r\n";

  const cases = [
    { port: inside, from: "Ann@corp.example.org", to: "joerg@friend.test" },
    { port: edge.port, from: "joerg@friend.test", to: "Ann@example.org" },
  ] as const;
  for (const [index, { port, from, to }] of cases.entries()) {
    const sent =
      index === 0 ? header("corp.example.org", "x.test") : header("x.test", "example.org");
    const { final } = await sendMail({ port, from, to: [to], message: `${sent}\r\n${body}` });
    assert.equal(final?.code, 250);
    const got = (await hub.waitForMessages(index + 1)).find(({ raw }) =>
      raw.includes(index === 0 ? "Subject: Ann@x.test" : "Subject: Ann@example.org"),
    )!;
    const expected =
      index === 0
        ? header("example.org", "x.test")
        : header("x.test", "corp.example.org").replace("Subject: Ann@corp.", "Subject: Ann@");
    assert.ok(
      got.raw.toString("latin1").includes(`${expected.replaceAll("\r\n", "\n")}\n`),
      got.raw.toString(),
    );
    assert.equal(bodyOf(got.raw).toString(), body);
    assert.equal(got.sender, index === 0 ? "Ann@example.org" : from);
    assert.equal(got.recipient, index === 0 ? to : "Ann@corp.example.org");
  }
});
