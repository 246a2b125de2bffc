import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { createArcReading } from "../../src/auth/arc/check-arc.ts";
import { createKeyLookup } from "../../src/auth/dkim/key-lookup.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import { conformanceData } from "../support/conformance-data.ts";
import { toZoneResolver } from "../support/zone-resolver.ts";

/*
 * The validation tests of the ARC test suite, through our own verifier. Where ours decides otherwise
 * than the suite, which was made for a draft, DIFFERENT says why.
 */
const DIFFERENT: Readonly<Record<string, { readonly ours: string; readonly why: string }>> = {};

interface Scenario {
  readonly description: string;
  readonly tests: Readonly<Record<string, { readonly message: string; readonly cv: string }>>;
  readonly "txt-records"?: Readonly<Record<string, string>>;
}

const data = conformanceData("arc-valimail");

describe("ARC gives the results of the suite", { skip: data.skip }, () => {
  const scenarios = data.skip ? [] : readScenarios();
  it("and every test of it is run", () => {
    const count = scenarios.reduce((sum, { tests }) => sum + Object.keys(tests).length, 0);
    assert.equal(count, 175);
  });
  for (const { description, tests, "txt-records": records = {} } of scenarios)
    for (const [name, { message, cv }] of Object.entries(tests)) {
      for (const chunkBytes of [1, 65_536])
        it(`${description.trim()}: ${name}, ${chunkBytes} octets at a time`, async () => {
          const wanted = DIFFERENT[name]?.ours ?? (cv.trim().toLowerCase() || "fail");
          const check = await verify(message, records, chunkBytes);
          assert.equal(check.result, wanted, JSON.stringify(check, null, 1));
        });
    }
});

function verify(message: string, records: Readonly<Record<string, string>>, chunkBytes: number) {
  const bytes = Buffer.from(message.replace(/\r?\n/g, "\r\n"), "utf8");
  const reading = createArcReading();
  for (let at = 0; at < bytes.length; at += chunkBytes)
    reading.write(bytes.subarray(at, at + chunkBytes));
  const zone = Object.entries(records).map(([name, text]) => [`TXT ${name}`, [text]]);
  const resolver = toZoneResolver(Object.fromEntries(zone));
  return reading.end(createKeyLookup(resolver, createLookupScope(new AbortController().signal)));
}

function readScenarios(): readonly Scenario[] {
  const text = readFileSync(join(data.folder, "tests/arc-draft-validation-tests.yml"), "utf8");
  return parseAllDocuments(text, { uniqueKeys: false }).map((one) => one.toJS() as Scenario);
}
