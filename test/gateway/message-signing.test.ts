import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { type CarryOutDeps, carryOut } from "../../src/gateway/carry-out.ts";
import type { Ruled } from "../../src/gateway/fold.ts";
import type { LegContext } from "../../src/gateway/legs.ts";
import { createMessageSigning } from "../../src/gateway/message-signing.ts";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";
import type { MessageSource } from "../../src/mail/message.ts";
import type { Edit } from "../../src/pipeline/edit.ts";
import type { SigningPolicy } from "../../src/policy/snapshot.ts";
import { createMailSigner } from "../../src/relay/mail-signer.ts";
import type { Leg } from "../../src/relay/relay.ts";
import { readAll, toBytesSource } from "../support/bytes-source.ts";
import { toSigningKey, toSigningPolicy } from "../support/signing-keys.ts";
import { toAddress } from "../support/spool-item.ts";

const clock = createSystemClock();
const log = createSilentLog();
const KEY = toSigningKey("example.org", "s1");
/** A public key signs nothing. */
const BROKEN = { ...KEY, key: createPublicKey(KEY.key) };
const MESSAGE = "From: a@example.org\r\nSubject: x\r\n\r\nHi\r\n";

function contextWith(signing: SigningPolicy, mode: "enforce" | "monitor"): LegContext {
  const bytes = Buffer.from(MESSAGE);
  const headers = { spamCompatibility: false, firewall: [] };
  const outbound = { headers: { remove: [], received: "keep", verdict: "keep" } };
  const ways = () => [{ name: "out", to: { kind: "smarthosts", hosts: [] } }];
  const plans = { outbound: { mode } };
  const snapshot = { version: "v", signing, headers, outbound, plans, routing: { ways } };
  const listener = { name: "inside", kind: "hub", hostname: "mx.example.org" };
  const relay = { by: "network", network: "10.0.0.0/8" };
  const mail = { body: "7bit", smtputf8: false };
  const facts = { listener, relay, mail, client: { ip: "10.0.0.1" }, tls: null };
  const helo = { verb: "EHLO", name: "hub" };
  const limits = { delivery: { waitSeconds: 1 } };
  const signer = createMailSigner({ clock, log, metrics: createMetrics() });
  return {
    transaction: {
      id: "01ABCDEFGH01ABCDEF",
      pipeline: "outbound",
      sender: toAddress("a@example.org"),
      mail,
      snapshot: { ...snapshot, limits, quarantine: { keepDays: 30 } },
      session: { client: { ip: "10.0.0.1" } },
      startedAt: 0,
    },
    message: { ...toBytesSource(bytes), headers: parseHeaderBlock(bytes) },
    stamp: {
      id: "01ABCDEFGH01ABCDEF",
      facts: { ...facts, helo },
      reports: [],
      onlyRecipient: null,
      authservIds: [],
      snapshot,
      at: 0,
    },
    senderAuthenticated: true,
    signing: createMessageSigning(signer),
  } as unknown as LegContext;
}

async function send(
  signing: SigningPolicy,
  action: "relay" | "quarantine" = "relay",
  { edits = [] as readonly Edit[], mode = "enforce" as "enforce" | "monitor" } = {},
) {
  const sent: string[] = [];
  const held: string[] = [];
  const decision = { action, about: {}, edits, findings: [], degraded: [], would: null };
  const ruled = {
    recipient: { address: toAddress("b@friend.test") },
    domain: null,
    decision,
  } as unknown as Ruled;
  const context = contextWith(signing, mode);
  const textOf = async (source: MessageSource) => (await readAll(source)).toString("latin1");
  const relay = {
    async attempt(_leg: Leg, source: MessageSource) {
      sent.push(await textOf(source));
      const reply = { code: 250, status: null, text: "ok" };
      return { kind: "answered", hub: "out", fates: [{ kind: "accepted", reply }] };
    },
    settleAnswered: async () => {},
  };
  const spool = { add: () => assert.fail("spooled"), addLeased: () => assert.fail("spooled") };
  const quarantine = {
    async hold(item: object, source: MessageSource) {
      held.push(await textOf(source));
      return { ...item, id: "1" };
    },
  };
  const facts = { emit: () => {} };
  const deps = { relay, spool, quarantine, facts, clock, log } as unknown as CarryOutDeps;
  const [relayed, kept] = action === "relay" ? [[ruled], []] : [[], [ruled]];
  const outcome = await carryOut(deps, context, relayed, kept);
  return { outcome, sent, held, records: context.signing.records() };
}

test("a message that cannot be signed is deferred, and nobody has got it", async () => {
  const { outcome, sent } = await send(toSigningPolicy([BROKEN]));
  assert.ok(outcome.kind === "not-kept");
  assert.equal(outcome.cause, "check-unavailable");
  assert.deepEqual(sent, []);
});

test("what is held is signed as it is held: its release changes nothing", async () => {
  const { outcome, held } = await send(toSigningPolicy([KEY]), "quarantine");
  assert.equal(outcome.kind, "kept");
  assert.match(held[0] ?? "", /^DKIM-Signature: v=1; /);
  const failed = await send(toSigningPolicy([BROKEN]), "quarantine");
  assert.equal(failed.outcome.kind, "not-kept");
  assert.deepEqual(failed.held, []);
});

test("with onFailure: send it leaves without a signature, and that is told", async () => {
  const { outcome, sent, records } = await send(toSigningPolicy([BROKEN], { onFailure: "send" }));
  assert.equal(outcome.kind, "kept");
  assert.equal(sent.length, 1);
  assert.doesNotMatch(sent[0] ?? "", /DKIM-Signature/);
  assert.match(JSON.stringify(records), /"unsigned","reason":"it failed: /);
});

test("a signature stands on top of our own headers", async () => {
  const { sent, records } = await send(toSigningPolicy([KEY]));
  assert.match(sent[0] ?? "", /^DKIM-Signature: v=1; [\s\S]*\r\nReceived: [\s\S]*\r\n\r\nHi\r\n$/);
  assert.deepEqual(records, [
    {
      kind: "signed",
      signatures: [{ domain: "example.org", selector: "s1", algorithm: "rsa-sha256" }],
    },
  ]);
});

test("what a stage wants unsigned is not signed, relayed or held, and the reason is told", async () => {
  const edits = [{ kind: "leave-unsigned", reason: "it is not his" }] as const;
  const relayed = await send(toSigningPolicy([KEY]), "relay", { edits });
  assert.doesNotMatch(relayed.sent[0] ?? "", /DKIM-Signature/);
  assert.deepEqual(relayed.records, [{ kind: "unsigned", reason: "it is not his" }]);
  const { held } = await send(toSigningPolicy([KEY]), "quarantine", { edits });
  assert.doesNotMatch(held[0] ?? "", /DKIM-Signature/);
});

test("monitor mode takes no signature away", async () => {
  const edits = [{ kind: "leave-unsigned", reason: "it is not his" }] as const;
  const { sent } = await send(toSigningPolicy([KEY]), "relay", { edits, mode: "monitor" });
  assert.match(sent[0] ?? "", /^DKIM-Signature: /);
});
