import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Json } from "../../src/base/json.ts";
import { sayEvidence } from "../../src/cli/evidence-sentences.ts";
import type { AntivirusEvidence } from "../../src/stages/antivirus/judge-scan.ts";
import type { AttachmentsEvidence } from "../../src/stages/attachments/attachments-evidence.ts";
import type { DnsblEvidence } from "../../src/stages/dnsbl/judge-zones.ts";
import type { DomainsEvidence } from "../../src/stages/domains/domains.ts";
import type { SpfEvidence } from "../../src/stages/spf.ts";

// The types are those of the stages: when their evidence changes, this file no longer compiles.
const DNSBL: DnsblEvidence = {
  client: "192.0.2.1",
  zones: [
    { zone: "zen.test", status: "listed", answers: ["127.0.0.2"], text: "see https://zen.test" },
    { zone: "dead.test", status: "temporary", answers: [], reason: "no answer in 2 s" },
    { zone: "clean.test", status: "clean", answers: [] },
  ],
};

const SPF: SpfEvidence = {
  result: "fail",
  identity: "mailfrom",
  domain: "bank.test",
  sender: "ceo@bank.test",
  ip: "192.0.2.1",
  helo: "client.test",
  mechanism: "-all",
  problem: null,
  explanation: "192.0.2.1 is not ours",
  trace: [
    {
      domain: "bank.test",
      term: "a:mail.bank.test",
      lookups: [{ name: "mail.bank.test", type: "A", kind: "found", records: ["192.0.2.5"] }],
      outcome: "no match",
    },
    { domain: "bank.test", term: "-all", lookups: [], outcome: "match" },
  ],
  omitted: 0,
};

const SCAN: AntivirusEvidence = {
  kind: "scanned",
  result: { kind: "infected", name: "Eicar" },
  address: "127.0.0.1:3310",
  version: "ClamAV 1.4",
  failed: [{ address: "10.0.0.1:3310", reason: "refused" }],
  ms: 12,
  scan: {
    result: { kind: "infected", name: "Eicar" },
    raw: { kind: "clean" },
    parts: [
      { path: "1.2", why: "encoded", octets: 68, result: { kind: "infected", name: "Eicar" } },
    ],
    limits: [],
  },
};

const ATTACHMENTS: AttachmentsEvidence = {
  parts: [
    {
      path: "1",
      declaredTypes: ["multipart/mixed"],
      encodings: [],
      disposition: null,
      fileNames: [],
      isContainer: true,
      decodedBytes: 0,
      notes: [],
      trueTypes: [],
      archive: null,
    },
    {
      path: "1.1",
      declaredTypes: ["application/pdf"],
      encodings: ["base64"],
      disposition: "attachment",
      fileNames: ["report.pdf", "report.zip"],
      isContainer: false,
      decodedBytes: 120,
      sha256: "00",
      notes: ["name-conflict"],
      trueTypes: ["zip"],
      archive: {
        kind: "zip",
        entries: [
          { names: ["a.txt"], isFolder: false, isEncrypted: false, bytes: 3 },
          { names: ["b.txt", "b.exe"], isFolder: false, isEncrypted: true, bytes: 3 },
        ],
        notes: ["name-mismatch"],
      },
    },
  ],
  notes: ["name-conflict"],
  omitted: 2,
};

describe("evidence sentences", () => {
  test("dnsbl names every list, what it answered and what it says", () => {
    assert.deepEqual(sayEvidence("dnsbl", DNSBL), [
      'zen.test: listed (127.0.0.2; "see https://zen.test")',
      "dead.test: temporary (no answer in 2 s)",
      "clean.test: clean",
    ]);
    assert.deepEqual(sayEvidence("dnsbl", { client: "x", zones: [] }), ["no list was asked"]);
  });

  test("spf tells result, deciding term, the domain's words and the trace with its look-ups", () => {
    assert.deepEqual(sayEvidence("spf", SPF), [
      "fail for 192.0.2.1 and the sender's domain bank.test, decided by -all",
      'the domain\'s own words: "192.0.2.1 is not ours"',
      "  bank.test a:mail.bank.test: no match [mail.bank.test A found 192.0.2.5]",
      "  bank.test -all: match",
    ]);
  });

  test("domains tells whether the hub was asked and what it said", () => {
    const probe: DomainsEvidence = {
      probe: { kind: "refused", reply: "550 5.1.1 No such user", cached: true },
    };
    assert.deepEqual(sayEvidence("domains", probe), [
      "the hub was asked: refused, from the cache: 550 5.1.1 No such user",
    ]);
    assert.deepEqual(sayEvidence("domains", { probe: null }), ["the hub was not asked"]);
    assert.deepEqual(sayEvidence("domains", { probe: { kind: "limited", cached: false } }), [
      "the hub was not asked: it was too often before",
    ]);
  });

  test("domains tells which list knew the address, how old it was, and what counts for nothing", () => {
    const madeAt = Date.UTC(2026, 10, 25, 10);
    const hashed: DomainsEvidence = {
      probe: null,
      list: { from: "r.hashed", known: "tag", madeAt, freshUntil: madeAt + 86_400_000 },
      skips: ["dnsbl", "spf"],
    };
    assert.deepEqual(sayEvidence("domains", hashed), [
      "r.hashed (made 2026-11-25 10:00:00, fresh until 2026-11-26 10:00:00) has the address without its tag",
      "at this domain dnsbl, spf count for nothing",
    ]);
    const list: DomainsEvidence = { probe: null, list: { from: "domains.yaml", known: "no" } };
    assert.deepEqual(sayEvidence("domains", list), ["domains.yaml does not have the address"]);
  });

  test("attachments tells of each part its type, names, octets, doubts and what is inside", () => {
    assert.deepEqual(sayEvidence("attachments", ATTACHMENTS), [
      "part 1: multipart/mixed; 0 octets",
      'part 1.1: application/pdf; "report.pdf" or "report.zip"; octets are zip; 120 octets; name-conflict',
      "  zip of 2: a.txt, b.txt or b.exe (encrypted); name-mismatch",
      "2 parts or entries were not kept",
    ]);
  });

  test("antivirus tells who scanned what with which answer, and who failed before", () => {
    assert.deepEqual(sayEvidence("antivirus", SCAN), [
      "infected: Eicar, by 127.0.0.1:3310 (ClamAV 1.4)",
      "whole message: clean",
      "part 1.2, 68 octets: infected: Eicar",
      "10.0.0.1:3310 failed: refused",
    ]);
    const away = {
      kind: "scanned",
      result: { kind: "not-scanned", class: "down", reason: "no connection" },
      address: null,
      version: null,
      failed: [],
      scan: null,
      ms: 1,
    } satisfies AntivirusEvidence;
    assert.deepEqual(sayEvidence("antivirus", away), ["NOT scanned: no connection, by no scanner"]);
    assert.match(sayEvidence("antivirus", { kind: "off" })?.[0] ?? "", /no scanner/);
  });

  test("evidence of another shape, and stages without words, have none and never throw", () => {
    assert.equal(sayEvidence("my-own-stage", {}), null);
    assert.equal(sayEvidence("__proto__", {}), null);
    fc.assert(
      fc.property(
        fc.constantFrom("dnsbl", "spf", "domains", "attachments", "antivirus"),
        fc.jsonValue(),
        (stage, value) => {
          const said = sayEvidence(stage, value as Json);
          assert.ok(said === null || Array.isArray(said));
        },
      ),
    );
    for (const stage of ["dnsbl", "spf", "domains", "attachments", "antivirus"])
      for (const value of [null, [], {}, JSON.parse('{"__proto__": {}}')])
        assert.equal(sayEvidence(stage, value), null);
  });
});
