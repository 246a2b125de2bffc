import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Json } from "../../src/base/json.ts";
import { sayEvidence } from "../../src/cli/evidence-sentences.ts";
import type { DkimEvidence } from "../../src/stages/dkim.ts";
import type { DmarcEvidence } from "../../src/stages/dmarc.ts";
import type { FromEvidence } from "../../src/stages/from/judge-from.ts";
import type { OwnAuthorEvidence } from "../../src/stages/own-author.ts";

// The types are those of the stages: when their evidence changes, this file no longer compiles.
const DKIM: DkimEvidence = {
  signatures: [
    {
      result: "fail",
      reason: "the body was changed",
      domain: "bank.test",
      selector: "s1",
      identity: "@bank.test",
      algorithm: "rsa-sha256",
      canonicalization: "relaxed/simple",
      b: "abcdefgh",
      signedAt: null,
      expiresAt: null,
      length: null,
      bodyOctets: 12,
      signed: ["from", "subject"],
      unsigned: [],
      oversignsFrom: false,
      key: { name: "s1._domainkey.bank.test", kind: "found", records: ["p=x"], reason: null },
      keyBits: 2048,
      testing: true,
    },
  ],
  omitted: 3,
  mustSign: ["from"],
};

const DMARC: DmarcEvidence = {
  result: "fail",
  reason: null,
  domain: "pay.bank.test",
  organization: "bank.test",
  policy: {
    domain: "bank.test",
    source: "organization",
    tag: "sp",
    published: "reject",
    effective: "quarantine",
    testing: true,
  },
  identities: [
    { method: "spf", domain: "evil.test", result: "pass", aligned: false },
    { method: "dkim", domain: "bank.test", result: "temperror", aligned: null },
  ],
  answers: [
    { name: "_dmarc.pay.bank.test", kind: "none", records: [], reason: "nxdomain" },
    { name: "_dmarc.bank.test", kind: "found", records: ["v=DMARC1; p=reject"], reason: null },
  ],
  exists: null,
};

test("dkim tells of each signature its result, why, its key and what it covers", () => {
  assert.deepEqual(sayEvidence("dkim", DKIM), [
    "fail for the key s1 of bank.test (rsa-sha256, 2048 bits, relaxed/simple): the body was changed; its key is for tests",
    "  it covers from, subject",
    "  s1._domainkey.bank.test TXT found p=x",
    "3 signatures were not looked at",
  ]);
  assert.deepEqual(sayEvidence("dkim", { signatures: [], omitted: 0, mustSign: [] }), [
    "no signature",
  ]);
});

test("from tells whom it names and what people are shown, or why nobody can say", () => {
  const named: FromEvidence = {
    author: { kind: "mailbox", localPart: "a", domain: "b.test", display: "Alice" },
    fields: ["From: Alice <a@b.test>"],
    count: 1,
  };
  assert.deepEqual(sayEvidence("from", named), ['from a@b.test, shown as "Alice"']);
  const malformed: FromEvidence = {
    author: { kind: "malformed", fault: "several-fields" },
    fields: ["From: a@b.test", "from : c@d.test"],
    count: 2,
  };
  assert.deepEqual(sayEvidence("from", malformed), [
    "nobody can say who it is from: several-fields",
    "  From: a@b.test",
    "  from : c@d.test",
  ]);
});

test("dmarc tells the result, whose policy it is, who was aligned, and every answer", () => {
  assert.deepEqual(sayEvidence("dmarc", DMARC), [
    "fail for pay.bank.test",
    "bank.test wants sp=reject, counts as quarantine because of t=y",
    "  spf pass for evil.test: not aligned",
    "  dkim temperror for bank.test: undecided",
    "  _dmarc.pay.bank.test TXT none nxdomain",
    "  _dmarc.bank.test TXT found v=DMARC1; p=reject",
  ]);
});

test("evidence of another shape has no sentences and never throws", () => {
  fc.assert(
    fc.property(fc.constantFrom("dkim", "from", "dmarc"), fc.jsonValue(), (stage, value) => {
      const said = sayEvidence(stage, value as Json);
      assert.ok(said === null || Array.isArray(said));
    }),
  );
});

test("whom From of our own mail names is told, and the field as it was written", () => {
  const evidence: OwnAuthorEvidence = {
    authors: [
      { kind: "mailbox", localPart: "ceo", domain: "example.org" },
      { kind: "malformed", fault: "group" },
    ],
    fields: ["From: ceo@example.org, us:;"],
  };
  assert.deepEqual(sayEvidence("own-author", evidence), [
    "From is ceo@example.org",
    "nobody can say who it is from: group",
    "  From: ceo@example.org, us:;",
  ]);
});
