import assert from "node:assert/strict";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import type { Envelope } from "../../src/mail/envelope.ts";
import { createSmtpConnector } from "../../src/smtp/nodemailer-client.ts";
import type { DataSink } from "../../src/smtp/session-handler.ts";
import type { SmtpConnection } from "../../src/smtp/smtp-client.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import { type LenientHub, startLenientHub } from "../support/lenient-hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { createScriptedHandler, type ScriptedHandler } from "../support/scripted-handler.ts";
import { startEdge } from "../support/smtp-edge.ts";

/** Every day each sequence is cut at a few places near its dot, in full at every octet. */
const isFull = process.env.POSTERN_TEST_FULL !== undefined;

/** All strings over CR, LF and NUL of up to three octets: what may stand on a side of a lone dot. */
const SIDES = ["", ...sidesOf(1), ...sidesOf(2), ...sidesOf(3)];
const SMUGGLED =
  "MAIL FROM:<evil@client.test>\r\nRCPT TO:<eve@example.org>\r\nDATA\r\nSubject: evil\r\n\r\nevil";
const LEADS = ["Subject: x\r\n\r\nhi", ""];
const MANY = 100_000_000;
/** An attacker has all the time in the world; what is counted otherwise is not of interest here. */
const LIMITS = {
  session: { errorsSoft: MANY, errorsHard: MANY, idleCommands: MANY, transactions: MANY },
};
const ENVELOPE: Envelope = {
  sender: null,
  recipients: [{ address: { spoken: "bob@example.org", localPart: "bob", domain: "example.org" } }],
  mail: { body: "8bitmime", smtputf8: false },
};

interface Attack {
  /** What goes over the wire after 354, final dot included. */
  readonly wire: string;
  /** Where the lone dot is. */
  readonly dot: number;
  readonly isFaulty: boolean;
}

/** Those in which a true CRLF.CRLF is the end, and the rest commands, attack nobody. */
const ATTACKS: readonly Attack[] = LEADS.flatMap((lead) =>
  SIDES.flatMap((before) => SIDES.map((after) => toAttack(lead, before, after))),
).filter(({ wire }) => (/(?<=^|\r\n)\.\r\n/.exec(wire)?.index ?? 0) + 3 === wire.length);

function sidesOf(length: number): readonly string[] {
  const shorter = length === 1 ? [""] : sidesOf(length - 1);
  return shorter.flatMap((side) => ["\r", "\n", "\0"].map((octet) => side + octet));
}

function toAttack(lead: string, before: string, after: string): Attack {
  const text = `${lead}${before}.${after}${SMUGGLED}`;
  const isFaulty = /\0|\r(?!\n)|(?<!\r)\n/.test(text);
  return { wire: `${text}\r\n.\r\n`, dot: lead.length + before.length, isFaulty };
}

/** Cut positions: all, or one on each side of the dot and one anywhere, other ones for each attack. */
function cutsOf({ wire, dot }: Attack, index: number): readonly number[] {
  if (isFull) return Array.from({ length: wire.length - 1 }, (_, i) => i + 1);
  const near = [dot - 1 + (index % 6), dot, (index * 31) % wire.length];
  return [...new Set(near.map((cut) => Math.min(Math.max(1, cut), wire.length - 1)))];
}

type StrictOrNot = ScriptedHandler & Pick<DataSink, "lineEndings">;

/** One attack in one transaction; what was delivered for it, if it was. */
async function attack(
  client: RawClient,
  handler: StrictOrNot,
  { wire, isFaulty }: Attack,
  cut: number,
): Promise<Buffer | null> {
  client.send("MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n");
  for (const code of [250, 250, 354]) assert.equal((await client.reply()).code, code);
  await client.sendNow(Buffer.from(wire.slice(0, cut), "latin1"));
  await client.sendNow(Buffer.from(wire.slice(cut), "latin1"));
  const { code, text } = await client.reply();
  const transactions = handler.sessions[0]?.transactions.splice(0) ?? [];
  assert.equal(transactions.length, 1, "one transaction");
  assert.equal(client.pending, "");
  const mayPass = handler.lineEndings === "normalise" || !isFaulty;
  assert.equal(code, mayPass ? 250 : 550, text);
  return code === 250 ? Buffer.concat(transactions[0]?.chunks ?? []) : null;
}

async function relayTo(hub: LenientHub): Promise<SmtpConnection> {
  const connector = createSmtpConnector({
    clock: createSystemClock(),
    log: createSilentLog(),
    hostname: "mx.example.org",
    resolveHost: async () => [],
  });
  const target = { host: "127.0.0.1", port: hub.port };
  const result = await connector.connect(
    target,
    { tls: { kind: "none" } },
    new AbortController().signal,
  );
  assert(result.kind === "connected");
  return result.connection;
}

/** As the lenient hub should have it: line ends of any kind made LF, NULs gone, the dots kept. */
function asMeant(wire: string): string {
  const text = wire.slice(0, -3);
  const unstuffed = text.replaceAll(/(?<=^|\r\n)\./g, "");
  const lines = unstuffed.split(/\r\n|\r|\n/);
  return lines.slice(0, -1).join("\n").replaceAll("\0", "");
}

async function assertRelayedAsMeant(
  relay: SmtpConnection,
  hub: LenientHub,
  payload: Buffer,
  { wire, dot }: Attack,
): Promise<void> {
  const source = toBytesSource(payload, Math.max(1, dot));
  const outcome = await relay.send(ENVELOPE, source);
  assert(outcome.kind === "answered" && outcome.fates[0]?.kind === "accepted", "not relayed");
  assert.deepEqual(hub.take(), [
    {
      sender: "MAIL FROM:<> BODY=8BITMIME",
      recipients: ["RCPT TO:<bob@example.org>"],
      text: asMeant(wire),
    },
  ]);
}

for (const lineEndings of ["refuse", "normalise"] as const) {
  test(`with line endings ${lineEndings}, nothing around a lone dot makes two messages of one, here or at a lenient hub`, async () => {
    const handler = { ...createScriptedHandler({ lineEndings }), lineEndings };
    await using edge = await startEdge(handler, { limits: LIMITS });
    await using hub = await startLenientHub();
    const relay = await relayTo(hub);
    const client = await edge.greeted();
    await client.say("EHLO client.test");
    for (const [index, each] of ATTACKS.entries()) {
      const payloads = new Map<string, Buffer>();
      for (const cut of cutsOf(each, index)) {
        await attack(client, handler, each, cut)
          .then((payload) => payload && payloads.set(payload.toString("latin1"), payload))
          .catch((error: unknown) => {
            throw new Error(`${JSON.stringify(each.wire)} cut at ${cut}`, { cause: error });
          });
      }
      assert(payloads.size <= 1, `${JSON.stringify(each.wire)} depends on where it is cut`);
      for (const payload of payloads.values()) {
        await assertRelayedAsMeant(relay, hub, payload, each);
      }
    }
    assert.equal((await client.say("NOOP")).text, "250 2.0.0 OK");
    client.destroy();
    relay.close();
  });
}

test("what a spool or a person might hold leaves for a hub only with clean line endings", async () => {
  await using hub = await startLenientHub();
  let relay = await relayTo(hub);
  for (const { wire, dot, isFaulty } of ATTACKS) {
    const text = Buffer.from(wire.slice(0, -3), "latin1");
    const source = toBytesSource(text, Math.max(1, dot));
    const outcome = await relay.send(ENVELOPE, source);
    const fate = outcome.kind === "answered" ? outcome.fates[0]?.kind : outcome.kind;
    assert.equal(fate, isFaulty ? "refused" : "accepted", JSON.stringify(wire));
    const messages = hub.take();
    assert.equal(messages.length, isFaulty ? 0 : 1, JSON.stringify(wire));
    if (relay.usable()) continue;
    relay.close();
    relay = await relayTo(hub);
  }
  relay.close();
});

test("the lenient hub is one that can be fooled", async () => {
  await using hub = await startLenientHub();
  for (const end of ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r", "\r\n\0.\r\n"]) {
    const client = await RawClient.open({ port: hub.port });
    await client.reply();
    await client.say("DATA");
    client.send(Buffer.from(`hi${end}${SMUGGLED}\r\n.\r\n`, "latin1"));
    for (const code of [250, 250, 250, 354, 250]) assert.equal((await client.reply()).code, code);
    assert.equal(hub.take().length, 2, JSON.stringify(end));
    client.destroy();
  }
});
