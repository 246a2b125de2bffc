import assert from "node:assert/strict";
import { test } from "node:test";
import { sayEvidence } from "../../src/cli/evidence-sentences.ts";
import { COUNTERS, type Counts } from "../../src/reputation/reputation.ts";
import type { AccessEvidence } from "../../src/stages/access/access.ts";
import type { ReputationEvidence } from "../../src/stages/reputation/reputation-evidence.ts";

const counts = (own: Partial<Counts>) =>
  Object.fromEntries(COUNTERS.map((name) => [name, own[name] ?? 0])) as Counts;
const at = Date.UTC(2026, 0, 1);
const record = (own: Partial<Counts>) => ({
  counts: counts(own),
  firstSeen: at,
  lastSeen: at,
  helos: [],
});

// The type is that of the stage: when its evidence changes, this file no longer compiles.
const EVIDENCE: ReputationEvidence = {
  client: {
    subject: "client:192.0.2.1",
    record: record({ spam: 23.6, virus: 1, ham: 1, recipient: 20, unknownRecipient: 5 }),
  },
  network: { subject: "network:192.0.2.0/24", record: null },
  helo: null,
  reverseDomain: null,
  domain: null,
  reverse: { status: "found", name: "mail.bank.test", confirmed: false },
  proxy: [],
  srl: 0,
  terms: [],
  block: null,
  away: null,
  rules: { blockHours: 24, badFrom: 5, goodBelow: 3 },
};

test("what reputation saw is told in a postmaster's words", () => {
  assert.deepEqual(sayEvidence("reputation", EVIDENCE), [
    "its reverse name mail.bank.test leads elsewhere",
    "client:192.0.2.1: 25 of 26 messages bad, known since 2026-01-01 00:00:00 UTC; 5 of 25 recipients unknown",
    "network:192.0.2.0/24: not known",
  ]);
  const none = { status: "none", name: null, confirmed: false } as const;
  assert.equal(
    sayEvidence("reputation", { ...EVIDENCE, reverse: none })?.[0],
    "it has no reverse name",
  );
});

test("a block is told with its end, a store that is away with its reason", () => {
  const block = {
    subject: "client:192.0.2.1",
    reason: "SRL 7",
    by: "reputation",
    since: at,
    until: at + 86_400_000,
  };
  assert.deepEqual(sayEvidence("reputation", { ...EVIDENCE, block }), [
    "blocked since 2026-01-01 00:00:00 UTC, until 2026-01-02 00:00:00 UTC, by reputation",
  ]);
  assert.deepEqual(sayEvidence("reputation", { ...EVIDENCE, away: "no answer" }), [
    "what is known of it could not be asked: no answer",
  ]);
});

test("an exception made by command is told by its id", () => {
  const evidence: AccessEvidence = {
    client: "192.0.2.1",
    entry: {
      list: "allow",
      client: "192.0.2.0/24",
      reason: "partner",
      endsAt: at,
      key: "0123456789",
      by: "jane",
    },
  };
  assert.deepEqual(sayEvidence("access", evidence), ["allow entry 0123456789 is for 192.0.2.0/24"]);
  assert.deepEqual(sayEvidence("access", { client: "192.0.2.1" }), []);
  assert.deepEqual(sayEvidence("sender-access", null), []);
});
