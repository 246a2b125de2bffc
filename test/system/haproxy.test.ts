import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Haproxy, noHaproxy, startHaproxy } from "../support/haproxy.ts";
import { RawClient } from "../support/raw-client.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { storyOf } from "../support/with-edge.ts";

const BLOCKED = "127.0.0.9";
const PER_CLIENT = 2;
const skip = noHaproxy();

for (const workers of [1, 2]) {
  describe(`behind haproxy, with workers: ${workers}`, { skip, concurrency: false }, () => {
    let hub: ScriptedHub;
    let edge: TestGateway;
    let haproxy: Haproxy;

    before(async () => {
      hub = await startScriptedHub();
      edge = await startTestGateway({
        hubPort: hub.port,
        settings: {
          workers,
          listeners: [{ name: "internet", listen: "127.0.0.1:0", proxyProtocol: ["127.0.0.1/32"] }],
        },
        policies: {
          access: { block: [{ client: BLOCKED, reason: "for the test" }] },
          limits: { connections: { perClient: PER_CLIENT } },
        },
      });
      haproxy = await startHaproxy(edge.port);
    });

    after(async () => {
      await haproxy?.[Symbol.asyncDispose]();
      await edge?.remove();
      await hub?.close();
    });

    for (const version of ["v1", "v2"] as const) {
      const send = (localAddress: string) =>
        sendMail({ port: haproxy.ports[version], localAddress, message: SIMPLE_MESSAGE });

      test(`the true client of a PROXY ${version} header is judged and recorded`, async () => {
        const refused = await send(BLOCKED);
        assert.match(refused.rcpt[0]?.text ?? "", /^550 5\.7\.1 /);
        const line = await edge.waitForLog("decided", ({ id }) => id === refused.id);
        assert.deepEqual([line.client, line.action], [BLOCKED, "reject"]);
      });

      test(`mail of other clients comes through with a PROXY ${version} header, and explain tells both addresses`, async () => {
        const sent = await send("127.0.0.10");
        assert.match(sent.final?.text ?? "", /^250 /);
        const line = await edge.waitForLog("decided", ({ id }) => id === sent.id);
        assert.deepEqual([line.client, line.action], ["127.0.0.10", "relay"]);
        const { record } = await waitUntil(
          () => "the story of the mail is not stored",
          () => storyOf(edge, sent.id).catch(() => undefined),
        );
        assert.deepEqual([record.client.ip, record.client.via], ["127.0.0.10", "127.0.0.1"]);
        const received = hub.messages.at(-1)?.data.toString("latin1") ?? "";
        assert.match(received, /^Received: from mail\.friend\.test \(.*\[127\.0\.0\.10\]\)/m);
      });

      test(`health checks with a PROXY ${version} header find the gateway well`, async () => {
        await waitUntil(
          () => `no good health check; log: ${JSON.stringify(edge.log.slice(-3))}`,
          async () => (await haproxy.lastCheck(version)) === "L7OK" || undefined,
        );
      });
    }

    test("the limit of a client counts its true address, whichever way it comes", async () => {
      const { v1, v2 } = haproxy.ports;
      const greeting = async (port: number, localAddress: string) => {
        const client = await RawClient.open({ port, localAddress });
        return { client, text: (await client.reply()).text };
      };
      const held = [await greeting(v1, "127.0.0.11"), await greeting(v2, "127.0.0.11")];
      assert.ok(held.every(({ text }) => text.startsWith("220 ")));
      const surplus = await greeting(v1, "127.0.0.11");
      assert.match(surplus.text, /^421 4\.7\.0 /);
      const other = await greeting(v2, "127.0.0.12");
      assert.match(other.text, /^220 /);
      for (const { client } of [...held, surplus, other]) client.destroy();
    });

    test("nobody else is believed", async () => {
      const forger = await RawClient.open({ port: edge.port, localAddress: "127.0.0.2" });
      assert.equal((await forger.reply()).code, 220);
      forger.send("PROXY TCP4 127.0.0.10 127.0.0.1 4711 25\r\n");
      assert.equal((await forger.reply()).code, 500);
      assert.equal(await forger.closed(), "");
    });
  });
}

test("health checks of haproxy are not kept waiting for the greeting", { skip }, async () => {
  const edge = await startTestGateway({
    hubPort: 9,
    settings: {
      listeners: [{ name: "internet", listen: "127.0.0.1:0", proxyProtocol: ["127.0.0.1/32"] }],
    },
    policies: { limits: { session: { greetDelaySeconds: 60 } } },
  });
  try {
    await using haproxy = await startHaproxy(edge.port);
    for (const version of ["v1", "v2"] as const)
      await waitUntil(
        () => "no good health check",
        async () => (await haproxy.lastCheck(version)) === "L7OK" || undefined,
      );
  } finally {
    await edge.remove();
  }
});
