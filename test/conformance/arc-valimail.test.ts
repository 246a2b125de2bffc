import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { isMap, parseAllDocuments } from "yaml";
import { parseMessageSignature, readTags } from "../../src/auth/arc/arc-seal.ts";
import { createArcReading } from "../../src/auth/arc/check-arc.ts";
import { signedOctets } from "../../src/auth/dkim/canonical-header.ts";
import { createKeyLookup } from "../../src/auth/dkim/key-lookup.ts";
import { isSignedBy } from "../../src/auth/dkim/verify-signature.ts";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import { conformanceData } from "../support/conformance-data.ts";
import { toZoneResolver } from "../support/zone-resolver.ts";

/*
 * The validation tests of the ARC test suite, through our own verifier. Where ours decides otherwise
 * than the suite, which was made for a draft of December 2016, DIFFERENT says why; in doubt a chain
 * fails, which is as none: it can only take away what a trusted sealer would have given.
 */
const DIFFERENT: Readonly<Record<string, { readonly ours: string; readonly why: string }>> = {
  ams_fields_c_na: {
    ours: "fail",
    why:
      "RFC 8617 4.1.2 takes c= over from RFC 6376 3.5, whose default is simple/simple. The suite " +
      "signed with relaxed/relaxed and then folded the fields anew, which simple forbids.",
  },
  ams_fields_h_empty: {
    ours: "fail",
    why:
      "RFC 6376 3.5: h= is required and holds one name at least, and 5.4: From MUST be among them. " +
      "A signature over no field would let its body go under any From.",
  },
  ams_fields_h_mis_hdr: {
    ours: "fail",
    why: "RFC 6376 3.5, sig-h-tag: between two colons stands a hdr-name, which is not empty.",
  },
};
/** Later than all of the suite was made. */
const NOW = Date.UTC(2026, 0, 1);

interface Case {
  readonly title: string;
  readonly name: string;
  readonly message: string;
  readonly cv: string;
  readonly records: Readonly<Record<string, string>>;
}

const data = conformanceData("arc-valimail");
const cases = data.skip ? [] : readCases();

describe("ARC gives the results of the suite", { skip: data.skip }, () => {
  it("and every test of it is run, those of one name too", () => {
    assert.equal(cases.length, 175);
    assert.equal(new Set(cases.map(({ name }) => name)).size, 171);
  });
  for (const one of cases)
    it(`${one.title}: ${one.name}`, async () => {
      const wanted = DIFFERENT[one.name]?.ours ?? (one.cv.trim().toLowerCase() || "fail");
      const [whole, ...cut] = await Promise.all([65_536, 1, 7].map((chunk) => verify(one, chunk)));
      assert.equal(whole?.result, wanted, JSON.stringify(whole, null, 1));
      for (const other of cut) assert.deepEqual(other, whole);
    });
});

describe("where the suite has it otherwise", { skip: data.skip }, () => {
  const named = (name: string) => {
    const [found, ...more] = cases.filter((one) => one.name === name);
    assert.ok(found && more.length === 0);
    return found;
  };
  for (const [name, { why }] of Object.entries(DIFFERENT))
    it(`${name}: the suite passes it. ${why}`, () => {
      assert.equal(named(name).cv.trim(), "Pass");
    });

  it("ams_fields_c_na verifies as relaxed/relaxed, which its signature nowhere says", async () => {
    const { message, records } = named("ams_fields_c_na");
    const headers = parseHeaderBlock(toBytes(message));
    const [field] = headers.all("arc-message-signature");
    assert.ok(field);
    const tags = readTags(field);
    assert.ok(typeof tags === "object" && !tags.has("c"));
    const signature = parseMessageSignature(field, tags);
    assert.ok(typeof signature === "object");
    assert.deepEqual([signature.header, signature.body], ["simple", "simple"]);
    const found = await toKeys(records).find(signature.domain, signature.selector);
    assert.ok(found.kind === "key");
    const relaxed = { ...signature, header: "relaxed", body: "relaxed" } as const;
    assert.ok(isSignedBy(signedOctets(headers, relaxed), signature, found.key));
    assert.ok(!isSignedBy(signedOctets(headers, signature), signature, found.key));
  });

  it("ams_fields_h_empty and ams_fields_h_mis_hdr fail for their h=, and for nothing else", async () => {
    for (const name of ["ams_fields_h_empty", "ams_fields_h_mis_hdr"])
      assert.equal((await verify(named(name), 65_536)).reason, "h= is no list of names");
  });
});

function verify({ message, records }: Case, chunkBytes: number) {
  const bytes = toBytes(message);
  const reading = createArcReading();
  for (let at = 0; at < bytes.length; at += chunkBytes)
    reading.write(bytes.subarray(at, at + chunkBytes));
  return reading.end({ keys: toKeys(records), receivedAt: NOW });
}

function toBytes(message: string): Buffer {
  return Buffer.from(message.replace(/\r?\n/g, "\r\n"), "utf8");
}

function toKeys(records: Case["records"]) {
  const zone = Object.entries(records).map(([name, text]) => [`TXT ${name}`, [text]]);
  const scope = createLookupScope(new AbortController().signal);
  return createKeyLookup(toZoneResolver(Object.fromEntries(zone)), scope);
}

/** By hand: a plain object would keep the last of four tests whose names the suite uses twice. */
function readCases(): readonly Case[] {
  const text = readFileSync(join(data.folder, "tests/arc-draft-validation-tests.yml"), "utf8");
  return parseAllDocuments(text, { uniqueKeys: false }).flatMap((scenario) => {
    const tests = "get" in scenario ? scenario.get("tests") : null;
    assert.ok(isMap(tests));
    const whole = scenario.toJS() as { description: string; "txt-records"?: Case["records"] };
    return tests.items.map(({ key, value }): Case => {
      const test = (value as { toJS(document: unknown): Pick<Case, "message" | "cv"> }).toJS(
        scenario,
      );
      const title = whole.description.trim();
      return { ...test, title, name: String(key), records: whole["txt-records"] ?? {} };
    });
  });
}
