import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { afterwards } from "../support/afterwards.ts";
import { spawnGateway } from "../support/gateway-process.ts";
import { type HubEvent, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, writeGatewayFiles } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

const DOMAINS = { "spooled.test": { verify: "off", ack: "spool" } };
const LIMITS = { delivery: { retryFirstSeconds: 1, retryMaxSeconds: 1 } };

function policiesFor(hubPort: number) {
  const hub = { domains: ["spooled.test"], smarthosts: [`127.0.0.1:${hubPort}`] };
  return { domains: { domains: DOMAINS }, routing: { connectors: { hub } }, limits: LIMITS };
}

/** Whoever delivers to this address dies of it, before the message is handed over. */
const isDeadly = ({ step, line }: HubEvent) => step === "rcpt" && line.includes("<poison@");
const filesIn = (folder: string, state: string) => readdirSync(join(folder, "data/spool", state));

async function send(port: number, ...names: string[]): Promise<void> {
  for (const name of names) {
    const order = { port, to: [`${name}@spooled.test`], message: SIMPLE_MESSAGE };
    const { final } = await sendMail(order);
    assert.equal(final?.code, 250);
  }
}

/** For three deaths and starts on a busy machine. */
const LIMIT_MS = 120_000;
const OTHERS = ["a", "b", "c", "d", "e", "f"];

test("a message that kills its process three times is held, and all others arrive", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "postern-poison-"));
  let kill: () => void = () => {};
  const hub = await startScriptedHub({
    script(event) {
      if (!isDeadly(event)) return undefined;
      kill();
      return { drop: true };
    },
  });
  afterwards(t, async () => {
    await hub.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const files = { hubPort: hub.port, policies: policiesFor(hub.port) };
  const settingsFile = await writeGatewayFiles(folder, files);
  let gateway = spawnGateway({ settingsFile });
  afterwards(t, () => gateway.stop());
  let deaths = 0;
  kill = () => {
    deaths += 1;
    process.kill(gateway.pid ?? 0, "SIGKILL");
  };
  // Whom the dying process did not answer sends again: here it does not matter who was first.
  await send(await gateway.listening(), ...OTHERS, "poison").catch(() => {});
  for (let life = 1; life <= 3; life++) {
    await waitUntil(
      () => `death ${life} does not come: ${gateway.output()}`,
      () => deaths === life || undefined,
      LIMIT_MS,
    );
    await gateway.kill();
    // It may die before it listens: the spool is at work first.
    gateway = spawnGateway({ settingsFile });
  }
  await gateway.listening();
  await waitUntil(
    () => `others wait: ${gateway.output()}`,
    () => (filesIn(folder, "due").length + filesIn(folder, "active").length ? undefined : true),
  );
  assert.equal(deaths, 3);
  assert.equal(filesIn(folder, "held").length, 1);
  await gateway.told(/"event":"spool-entry-poisoned"/);
  await gateway.told(/"event":"queue-held"/);
  const arrived = new Set(hub.messages.flatMap(({ recipients }) => recipients));
  assert.deepEqual(
    [...arrived].sort(),
    OTHERS.map((name) => `${name}@spooled.test`),
  );
});

test("with several workers the service process outlives such a message too", async (t) => {
  let deaths = 0;
  const hub = await startScriptedHub({
    script(event) {
      if (!isDeadly(event)) return undefined;
      // Of the lock's holder: it may not have said yet that it is ready.
      const { pid } = JSON.parse(readFileSync(join(edge.folder, "data/lock.json"), "utf8"));
      deaths += 1;
      process.kill(pid, "SIGKILL");
      return { drop: true };
    },
  });
  afterwards(t, () => hub.close());
  const edge = await startTestGateway({
    hubPort: hub.port,
    policies: policiesFor(hub.port),
    settings: { workers: 2 },
  });
  afterwards(t, () => edge.remove());
  await send(edge.port, ...OTHERS, "poison").catch(() => {});
  await waitUntil(
    () => `it is not held after ${deaths} deaths`,
    () => edge.log.some(({ event, by }) => event === "queue-held" && by === "postern") || undefined,
    LIMIT_MS,
  );
  assert.equal(deaths, 3);
  await waitUntil(
    () => `others wait: ${filesIn(edge.folder, "due")}`,
    () => ["due", "active"].every((state) => filesIn(edge.folder, state).length === 0) || undefined,
    LIMIT_MS,
  );
  assert.equal(filesIn(edge.folder, "held").length, 1);
  const arrived = new Set(hub.messages.flatMap(({ recipients }) => recipients));
  assert.deepEqual(
    [...arrived].sort(),
    OTHERS.map((name) => `${name}@spooled.test`),
  );
});
