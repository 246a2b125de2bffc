import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RawClient } from "../support/raw-client.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

let hub: ScriptedHub;
let edge: TestGateway;
let isHubAway = false;

before(async () => {
  hub = await startScriptedHub({
    script: ({ step }) => (isHubAway && step === "mail" ? "421 4.3.2 not now" : undefined),
  });
  edge = await startTestGateway({
    hubPort: hub.port,
    settings: { workers: 2, metrics: { listen: "127.0.0.1:0" } },
  });
});

after(async () => {
  await edge.remove();
  await hub.close();
});

const pidsOf = (name: string) =>
  edge.log
    .filter(({ event, process }) => event === "process-ready" && process === name)
    .map(({ pid }) => Number(pid));

async function replaced(name: string, pid: number): Promise<number> {
  return waitUntil(
    () => `no successor of ${name} ${pid}`,
    () => pidsOf(name).find((other, i, all) => other !== pid && i > all.indexOf(pid)),
    20_000,
  );
}

async function idle(localAddress: string): Promise<RawClient> {
  const client = await RawClient.open({ port: edge.port, localAddress });
  assert.equal((await client.reply()).code, 220);
  return client;
}

async function thoseWhoLive(clients: readonly RawClient[]): Promise<readonly RawClient[]> {
  const answers = await Promise.all(clients.map((client) => client.say("NOOP").catch(() => null)));
  return clients.filter((_, i) => answers[i]?.code === 250);
}

async function get(path: string): Promise<{ status: number; text: string }> {
  const { host, port } = edge.gateway.status!;
  const response = await fetch(`http://${host}:${port}${path}`);
  return { status: response.status, text: await response.text() };
}

describe("a gateway of several processes", { concurrency: false }, () => {
  test("takes mail in each of them, and one log tells it", async () => {
    const held = await Promise.all([idle("127.0.0.11"), idle("127.0.0.12")]);
    const ids: (string | null)[] = [];
    for (let i = 0; i < 4; i++)
      ids.push((await sendMail({ port: edge.port, message: SIMPLE_MESSAGE })).id);
    for (const client of held) client.destroy();
    await hub.waitForMessages(4);
    const lines = await Promise.all(
      ids.map((id) => edge.waitForLog("decided", (line) => line.id === id)),
    );
    assert.ok(lines.every(({ action }) => action === "relay"));
    assert.deepEqual([...new Set(lines.map(({ process }) => process))].sort(), [
      "gateway-1",
      "gateway-2",
    ]);
  });

  test("exposes one set of metrics, added up", async () => {
    const { text } = await get("/metrics");
    const accepted = /^postern_smtp_connections_total\{.*outcome="accepted".*\} (\d+)$/m.exec(text);
    assert.ok(Number(accepted?.[1]) >= 6, text);
    const replies = /^postern_smtp_replies_total\{.*code="354".*\} (\d+)$/m.exec(text);
    assert.equal(replies?.[1], "4");
    assert.equal(/^postern_policy_in_force (\d+)$/m.exec(text)?.[1], "1");
    assert.equal((await get("/readyz")).status, 200);
  });

  test("loses with a killed process only the sessions in it", async () => {
    const before = hub.messages.length;
    const clients = await Promise.all(
      ["127.0.0.21", "127.0.0.22", "127.0.0.23", "127.0.0.24"].map(idle),
    );
    const [victim = 0] = pidsOf("gateway-1").slice(-1);
    process.kill(victim, "SIGKILL");
    const living = await thoseWhoLive(clients);
    assert.equal(living.length, 2);
    const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    assert.equal(sent.final?.code, 250);
    await replaced("gateway-1", victim);
    for (const client of clients) client.destroy();
    await hub.waitForMessages(before + 1);
    assert.equal((await get("/readyz")).text, '{"ready":true,"reasons":[]}\n');
  });

  test("gives back the places of the clients of a killed process", async () => {
    const [victim = 0] = pidsOf("gateway-2").slice(-1);
    const first = await Promise.all(Array.from({ length: 20 }, () => idle("127.0.0.31")));
    process.kill(victim, "SIGKILL");
    await replaced("gateway-2", victim);
    const free = first.length - (await thoseWhoLive(first)).length;
    assert.ok(free > 0, "nobody was in the killed process");
    const again = await Promise.all(Array.from({ length: free }, () => idle("127.0.0.31")));
    for (const client of [...first, ...again]) client.destroy();
  });

  test("promises on the spool, which the service keeps and delivers", async () => {
    isHubAway = true;
    const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    assert.equal(sent.final?.code, 250);
    const line = await edge.waitForLog("decided", ({ id }) => id === sent.id);
    assert.equal(line.via, "spool");
    const before = hub.messages.length;
    isHubAway = false;
    const [victim = 0] = pidsOf("service").slice(-1);
    process.kill(victim, "SIGKILL");
    // A new service finds it on the disk, due at once.
    await replaced("service", victim);
    await hub.waitForMessages(before + 1);
    await edge.waitForLog("delivered", ({ id }) => id === sent.id);
  });

  test("waits for a service that is being replaced before it refuses a promise", async () => {
    isHubAway = true;
    const [victim = 0] = pidsOf("service").slice(-1);
    process.kill(victim, "SIGKILL");
    const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    assert.equal(sent.final?.code, 250, sent.final?.text ?? "");
    isHubAway = false;
    await replaced("service", victim);
  });

  test("reloads the policy everywhere or says why not", async () => {
    await edge.gateway.reloadPolicy();
  });
});

test("one that cannot start says why and leaves nothing running", async () => {
  await assert.rejects(
    startTestGateway({
      hubPort: hub.port,
      settings: { workers: 2 },
      policies: { limits: { session: { errorsHrad: 1 } } },
    }),
    /limits\.yaml:\d+:\d+ .*errorsHard/s,
  );
});
