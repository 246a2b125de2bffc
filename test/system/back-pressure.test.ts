import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RawClient, type RawReply } from "../support/raw-client.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { storyOf } from "../support/with-edge.ts";

const LISTENERS = [
  { name: "internet", listen: "127.0.0.1:0" },
  { name: "inside", kind: "hub", listen: "127.0.0.1:0", from: ["127.0.0.0/8"] },
];

const portOf = (edge: TestGateway, name: string) =>
  edge.gateway.listeners.find((one) => one.name === name)!.port;

async function mailAt(edge: TestGateway, listener: string): Promise<RawReply> {
  const client = await RawClient.open({ port: portOf(edge, listener) });
  await client.reply();
  await client.say("EHLO client.test");
  const reply = await client.say("MAIL FROM:<carol@friend.test>");
  client.destroy();
  return reply;
}

/** Several processes learn of a change one after the other: six clients are dealt to all of them. */
function settled(edge: TestGateway, listener: string, code: number): Promise<readonly RawReply[]> {
  let last: readonly RawReply[] = [];
  return waitUntil(
    () => `not all answer ${code} at ${listener}: ${last.map(({ text }) => text).join(" | ")}`,
    async () => {
      last = await Promise.all(Array.from({ length: 6 }, () => mailAt(edge, listener)));
      return last.every((reply) => reply.code === code) ? last : undefined;
    },
    60_000,
  );
}

async function spoolOne(edge: TestGateway, listener: string): Promise<void> {
  const sent = await sendMail({ port: portOf(edge, listener), message: SIMPLE_MESSAGE });
  assert.equal(sent.final?.code, 250, sent.mail.text);
}

async function readyz(edge: TestGateway): Promise<{ ready: boolean; reasons: readonly string[] }> {
  const { host, port } = edge.gateway.status!;
  const response = await fetch(`http://${host}:${port}/readyz`);
  return (await response.json()) as { ready: boolean; reasons: readonly string[] };
}

async function metric(edge: TestGateway): Promise<string | undefined> {
  const { host, port } = edge.gateway.status!;
  const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
  return /^postern_back_pressure\{resource="spoolEntries"\} (\d)$/m.exec(text)?.[1];
}

for (const workers of [1, 2]) {
  describe(`a spool that fills up, workers: ${workers}`, () => {
    test("strangers are told to come later, then our own hub, and all are taken once it drains", async () => {
      let isAway = true;
      const hub = await startScriptedHub({
        script: ({ step }) => (isAway && step === "mail" ? "451 4.3.2 not now" : undefined),
      });
      const edge = await startTestGateway({
        hubPort: hub.port,
        settings: { workers, listeners: LISTENERS, metrics: { listen: "127.0.0.1:0" } },
        policies: {
          domains: { domains: { "example.org": { verify: "off", ack: "spool" } } },
          limits: {
            connections: { newPerClientPerMinute: 100_000 },
            delivery: { retryFirstSeconds: 1, retryMaxSeconds: 1 },
            backPressure: { spoolEntries: { normal: 0, medium: 2, high: 4 } },
          },
        },
      });
      try {
        await spoolOne(edge, "internet");
        await spoolOne(edge, "internet");
        const [refused] = await settled(edge, "internet", 452);
        assert.match(refused!.text, /^452 4\.3\.1 Insufficient system resources/);
        assert.equal((await mailAt(edge, "inside")).code, 250);
        assert.equal(await metric(edge), "1");
        assert.equal((await readyz(edge)).ready, true);

        await spoolOne(edge, "inside");
        await spoolOne(edge, "inside");
        await settled(edge, "inside", 452);
        assert.deepEqual(await readyz(edge), {
          ready: false,
          reasons: ["back-pressure: spoolEntries is high"],
        });

        isAway = false;
        await settled(edge, "internet", 250);
        await settled(edge, "inside", 250);
        assert.equal((await hub.waitForMessages(4)).length, 4);
        assert.deepEqual((await readyz(edge)).reasons, []);
        const line = await edge.waitForLog("decided", ({ cause }) => cause === "busy-resources");
        const { record } = await storyOf(edge, String(line.id));
        assert.equal(record.action, "defer");
        assert.equal(record.sender, "carol@friend.test");
      } finally {
        await edge.remove();
        await hub.close();
      }
    });
  });
}

test("while the disk is short, mail for a hub that takes it at once goes on", async () => {
  const hub = await startScriptedHub({});
  const edge = await startTestGateway({
    hubPort: hub.port,
    settings: { listeners: LISTENERS },
    policies: {
      domains: {
        domains: {
          "example.org": { verify: "off" },
          "spooled.test": { verify: "off", ack: "spool" },
        },
      },
      routing: {
        connectors: {
          hub: { domains: ["example.org", "spooled.test"], smarthosts: [`127.0.0.1:${hub.port}`] },
        },
      },
      // Whatever disk this runs on, it is fuller than that, and not as full as the other.
      limits: {
        disk: { minFreePercent: 0 },
        backPressure: { diskUsedPercent: { normal: 0, medium: 0.001, high: 100 } },
      },
    },
  });
  try {
    const send = (to: string, listener: string) =>
      sendMail({ port: portOf(edge, listener), to: [to], message: SIMPLE_MESSAGE });
    const refused = await send("a@spooled.test", "internet");
    assert.match(refused.rcpt[0]!.text, /^452 4\.3\.1 Insufficient system storage/);
    assert.equal((await send("a@example.org", "internet")).final?.code, 250);
    assert.equal((await send("a@spooled.test", "inside")).final?.code, 250);
    await hub.waitForMessages(2);
  } finally {
    await edge.remove();
    await hub.close();
  }
});
