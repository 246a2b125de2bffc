import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../src/base/json.ts";
import { sayEvidence } from "../../src/cli/evidence-sentences.ts";
import type { RelayEvidence } from "../../src/pipeline/origin.ts";
import type { GreylistEvidence } from "../../src/stages/greylist/greylist.ts";
import type { HeloEvidence } from "../../src/stages/helo/helo.ts";
import type { PregreetEvidence } from "../../src/stages/pregreet.ts";
import type { RateEvidence } from "../../src/stages/rate/rate.ts";
import type { ReverseDnsEvidence } from "../../src/stages/reverse-dns/look-up-reverse.ts";

// The types are those of the stages: when their evidence changes, this file no longer compiles.
const REVERSE: ReverseDnsEvidence = {
  client: "192.0.2.1",
  status: "unconfirmed",
  reason: null,
  names: [
    {
      name: "192-0-2-1.dsl.test",
      status: "other",
      addresses: ["192.0.2.9"],
      reason: null,
      generic: "it holds the address",
    },
    { name: "gone.test", status: "none", addresses: [], reason: "nxdomain", generic: null },
  ],
  omitted: 3,
};
const HELO: HeloEvidence = {
  name: "[198.51.100.1]",
  form: "literal",
  address: "198.51.100.1",
  isOurAddress: true,
  lookup: null,
};
const UNRESOLVED: HeloEvidence = {
  name: "nobody.test",
  form: "domain",
  address: null,
  isOurAddress: false,
  lookup: { status: "none", addresses: [], reason: "nxdomain" },
};
const WAIT: PregreetEvidence = { suspicion: 4, delaySeconds: 6 };
const RATE: RateEvidence = {
  counts: [
    { by: "client", name: "192.0.2.1/32", count: 2.4 },
    { by: "sender", name: null, count: 0 },
  ],
};
const PARTY = {
  by: "network",
  name: "192.0.2.0/24",
  sender: "a@friend.test",
  recipient: "alice@example.org",
} as const;
const UNKNOWN: GreylistEvidence = {
  party: PARTY,
  answer: { kind: "unknown", reason: "the store is away" },
};
const CALM: GreylistEvidence = { party: PARTY, answer: { kind: "not-asked" } };
const LOST: RelayEvidence = {
  relay: "203.0.113.7",
  hops: [{ by: "backup.test", from: "10.1.2.3", helo: "pc" }],
  origin: null,
  problem: "10.1.2.3 is of an inner network and not among trustedRelays",
};

for (const [stage, evidence, said] of [
  [
    "reverse-dns",
    REVERSE,
    [
      "192.0.2.1 has a name that does not lead back to it",
      "  192-0-2-1.dsl.test has another address (192.0.2.9); looks like the name of a line: it holds the address",
      "  gone.test does not exist or has no address (nxdomain)",
      "  3 more names were not looked at",
    ],
  ],
  [
    "helo",
    HELO,
    ["the client calls itself [198.51.100.1], an address", "this machine has that address"],
  ],
  [
    "helo",
    UNRESOLVED,
    ["the client calls itself nobody.test, a name, which has no address (nxdomain)"],
  ],
  ["pregreet", WAIT, ["with a score of 4 the client waits 6 s, unless it has waited before"]],
  [
    "pregreet",
    { ...WAIT, delaySeconds: 0 },
    ["with a score of 4 the client need not wait for its greeting"],
  ],
  [
    "message-rate",
    RATE,
    ["the client 192.0.2.1/32 had 3 to its account before", "nobody to count by sender"],
  ],
  ["rcpt-rate", { counts: [] }, ["nothing is counted"]],
  [
    "greylist",
    UNKNOWN,
    [
      "the network 192.0.2.0/24 with mail from <a@friend.test>: nobody can tell, so it is not delayed (the store is away)",
    ],
  ],
  ["greylist", CALM, ["not suspicious enough to be delayed"]],
  [
    "trusted-relay",
    LOST,
    [
      "the trusted relay 203.0.113.7 brought it, and nobody can tell where from: 10.1.2.3 is of an inner network and not among trustedRelays",
      "  backup.test had it from 10.1.2.3, which called itself pc",
      "what judges the client was not asked",
    ],
  ],
] as readonly (readonly [string, Json, readonly string[]])[])
  test(`what ${stage} saw is told in sentences: ${said[0]}`, () => {
    assert.deepEqual(sayEvidence(stage, evidence), said);
  });

test("evidence of another version gets its outline instead", () => {
  for (const stage of [
    "reverse-dns",
    "helo",
    "pregreet",
    "message-rate",
    "greylist",
    "trusted-relay",
  ])
    assert.equal(sayEvidence(stage, { of: "another version" }), null, stage);
});
