import assert from "node:assert/strict";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { callControl } from "../../src/control/call-control.ts";
import { controlPath } from "../../src/control/control.ts";
import type { Hold } from "../../src/quarantine/quarantine.ts";
import { type FakeClamd, startFakeClamd } from "../support/fake-clamd.ts";
import { type FakeDns, startFakeDns } from "../support/fake-dns.ts";
import { RawClient } from "../support/raw-client.ts";
import { type HubOptions, type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

// Forged senders must not hear from us (threats.md P9), whatever becomes of what was sent in their
// name: refused, held, released, refused by the hub after our 250, or given up.

const ZONE = {
  "forged.test": { TXT: ["v=spf1 -all"] },
  "doubtful.test": { TXT: ["v=spf1 ~all"] },
  "honest.test": { TXT: ["v=spf1 ip4:127.0.0.1 -all"] },
};

/** What is sent, and the code of the last reply. */
interface Kind {
  readonly from: string;
  readonly to: string;
  readonly body: string;
  readonly code: number;
}

const KINDS: readonly Kind[] = [
  { from: "forged.test", to: "alice@example.org", body: "hello", code: 550 },
  { from: "doubtful.test", to: "alice@example.org", body: "buy", code: 250 },
  { from: "virus.test", to: "alice@example.org", body: "[[found Eicar-Test]]", code: 550 },
  { from: "gone.test", to: "gone@spooled.test", body: "hello", code: 250 },
  { from: "later.test", to: "later@spooled.test", body: "hello", code: 250 },
];

interface House {
  readonly edge: TestGateway;
  /** Where mail to all those senders would go. */
  readonly outside: ScriptedHub;
}

const refusing: NonNullable<HubOptions["script"]> = ({ step, line }) => {
  if (step !== "rcpt") return undefined;
  return line.includes("<later@") ? "450 4.2.0 later" : "550 5.1.1 has left";
};

async function withHouse(
  workers: number,
  work: (house: House) => Promise<void>,
  mode: "enforce" | "monitor" = "enforce",
): Promise<void> {
  await using cleanUp = new AsyncDisposableStack();
  const dns: FakeDns = await startFakeDns(ZONE);
  cleanUp.defer(() => dns.close());
  const clamd: FakeClamd = await startFakeClamd();
  cleanUp.defer(() => clamd.close());
  const hub = await startScriptedHub({ script: refusing });
  cleanUp.defer(() => hub.close());
  const outside = await startScriptedHub();
  cleanUp.defer(() => outside.close());
  const connectors = {
    hub: { domains: ["example.org", "spooled.test"], smarthosts: [`127.0.0.1:${hub.port}`] },
    out: { domains: ["*"], smarthosts: [`127.0.0.1:${outside.port}`] },
  };
  const edge = await startTestGateway({
    hubPort: hub.port,
    dnsServer: dns.address,
    clamd: [clamd.address],
    policies: {
      routing: { connectors },
      domains: {
        domains: {
          "example.org": { verify: "off" },
          "spooled.test": { verify: "off", ack: "spool" },
        },
      },
      "sender-auth": { spf: { fail: "reject", scores: { softfail: 8 } } },
      // Who sends so much of this is blocked soon, and then nothing is left to be seen here.
      reputation: { srl: { blockAt: null } },
      pipeline: { mode, thresholds: { quarantine: 7, reject: 15 } },
      limits: {
        connections: { newPerClientPerMinute: 10_000 },
        session: { errorsSoft: 10_000, errorsHard: 10_000 },
        delivery: {
          retryFirstSeconds: 1,
          retryMaxSeconds: 1,
          warnAfterSeconds: 1,
          giveUpAfterSeconds: 2,
        },
      },
    },
    settings: { workers },
  });
  cleanUp.defer(() => edge.remove());
  await work({ edge, outside });
}

/** Within the transactions that one session may have. */
const MOST_A_SESSION = 50;

async function sendForged({ edge }: House, kind: Kind, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += MOST_A_SESSION) {
    const client = await RawClient.open({ port: edge.port });
    await client.reply();
    await client.say("EHLO spam.test");
    for (let i = sent; i < Math.min(count, sent + MOST_A_SESSION); i++) {
      await sendOne(client, kind, `victim${i}`);
    }
    client.destroy();
  }
}

/** Asks to be told of everything, as the whole message. */
async function sendOne(client: RawClient, { from, to, body, code }: Kind, name: string) {
  await client.say(`MAIL FROM:<${name}@${from}> RET=FULL ENVID=${name}`);
  let last = await client.say(`RCPT TO:<${to}> NOTIFY=SUCCESS,FAILURE,DELAY`);
  if (last.code === 250) {
    assert.equal((await client.say("DATA")).code, 354);
    client.send(`From: <${name}@${from}>\r\nSubject: x\r\n\r\n${body}\r\n.\r\n`);
    last = await client.reply();
  }
  assert.equal(last.code, code, last.text);
  if (code !== 250) await client.say("RSET");
}

async function command(
  edge: TestGateway,
  name: string,
  args: unknown,
): Promise<readonly unknown[]> {
  const options = { timeoutMs: 60_000, clock: createSystemClock() };
  return callControl(controlPath(`${edge.folder}/data`), { command: name, args }, options);
}

async function heldIn(edge: TestGateway, cause: string): Promise<readonly Hold[]> {
  const args = { state: "held", cause, limit: 2000 };
  return (await command(edge, "quarantine.list", args)) as readonly Hold[];
}

async function untilHeld(edge: TestGateway, count: number): Promise<void> {
  await waitUntil(
    () => `the hub's refusals are not all held: ${JSON.stringify(edge.log.slice(-3))}`,
    async () => ((await heldIn(edge, "undeliverable")).length === count ? true : undefined),
    120_000,
  );
}

async function storm(house: House, each: number): Promise<void> {
  const { edge, outside } = house;
  await Promise.all(KINDS.map((kind) => sendForged(house, kind, each)));
  await untilHeld(edge, 2 * each);
  const spam = await heldIn(edge, "spam");
  assert.equal(spam.length, each);
  for (const { id } of spam)
    await command(edge, "quarantine.release", { id, by: "a", force: false });
  await untilHeld(edge, 3 * each);
  await waitUntil(
    () => "something is still owed",
    async () => (await command(edge, "queue.list", { limit: 1 })).length === 0 || undefined,
    60_000,
  );
  assert.equal(outside.connections, 0);
  // What shows that this could have been otherwise: the same from somebody who is himself.
  const honest = { from: "honest.test", to: "gone@spooled.test", body: "hello", code: 250 };
  await sendForged(house, honest, 1);
  const messages = await outside.waitForMessages(1, 60_000);
  assert.deepEqual(
    messages.map(({ recipients }) => recipients),
    [["victim0@honest.test"]],
  );
  // A bounce may be gone before the process that wrote it has told so.
  await edge.waitForLog("bounced");
  assert.equal(edge.log.filter(({ event }) => event === "bounced").length, 1);
}

test("of a thousand messages with forged senders none is answered to those senders", () =>
  withHouse(1, (house) => storm(house, 200)));

test("nor with several processes", () => withHouse(2, (house) => storm(house, 10)));

test("what only monitor mode let pass is not bounced, whoever sent it", () =>
  withHouse(
    1,
    async (house) => {
      const { edge, outside } = house;
      const virus = { from: "honest.test", to: "gone@spooled.test", code: 250 } as const;
      await sendForged(house, { ...virus, body: "[[found Eicar-Test]]" }, 1);
      await untilHeld(edge, 1);
      assert.equal(outside.connections, 0);
      await sendForged(house, { ...virus, body: "hello" }, 1);
      await outside.waitForMessages(1, 60_000);
    },
    "monitor",
  ));
