import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { createArcReading } from "../../src/auth/arc/check-arc.ts";
import { sealMessage } from "../../src/auth/arc/seal-message.ts";
import { createKeyLookup } from "../../src/auth/dkim/key-lookup.ts";
import { readSignable } from "../../src/auth/dkim/signable.ts";
import { parseSigningKey } from "../../src/auth/dkim/signing-key.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import { conformanceData } from "../support/conformance-data.ts";
import { toZoneResolver } from "../support/zone-resolver.ts";

/*
 * The signing tests of the ARC test suite, through our own sealer: the place in the chain, what the seal
 * says of the chain before it, the hash of the body, and whether there is a seal at all. The octets of
 * b= cannot be the same: a seal is over the message signature, whose h= is ours and names more fields.
 */
interface Scenario {
  readonly description: string;
  readonly domain: string;
  readonly sel: string;
  readonly privatekey: string;
  readonly "txt-records": Readonly<Record<string, string>>;
  readonly tests: Readonly<Record<string, Case>>;
}

interface Case {
  readonly message: string;
  readonly t: number;
  /** Expected; empty: no seal. */
  readonly AS: string;
  readonly AMS: string;
  readonly AAR: string;
}

const data = conformanceData("arc-valimail");
const scenarios = data.skip ? [] : readScenarios();

describe("ARC seals what the suite seals", { skip: data.skip }, () => {
  it("and every test of it is run", () => {
    assert.equal(scenarios.flatMap(({ tests }) => Object.keys(tests)).length, 17);
  });
  for (const scenario of scenarios)
    for (const [name, one] of Object.entries(scenario.tests))
      it(`${scenario.description.trim()}: ${name}`, () => run(scenario, one));
});

async function run(scenario: Scenario, { message, t, AS, AMS, AAR }: Case): Promise<void> {
  const bytes = Buffer.from(message.replace(/\r?\n/g, "\r\n"));
  const key = parseSigningKey(scenario.privatekey);
  assert.ok(typeof key !== "string", String(key));
  const { headers, bodyHash } = await readSignable(toBytesSource(bytes), null);
  const sealing = await sealMessage({
    headers,
    bodyHash,
    found: await check(scenario, bytes, t),
    results: AAR.replace(/\s+/g, " ")
      .replace(/^i=\d+; /, "")
      .trim(),
    key: { ...key, domain: scenario.domain, selector: scenario.sel },
    sealedAt: t,
  });
  if (AS.trim() === "") {
    assert.equal(sealing.kind, "left");
    return;
  }
  assert.ok(sealing.kind === "sealed", JSON.stringify(sealing));
  const { instance, cv, fields } = sealing;
  assert.deepEqual([String(instance), cv], [tagOf(AS, "i"), tagOf(AS, "cv")]);
  assert.equal(bodyHash.toString("base64"), tagOf(AMS, "bh"));
  const after = await check(scenario, Buffer.concat([Buffer.from(fields), bytes]), t);
  assert.equal(after.result, cv === "fail" ? "fail" : "pass", JSON.stringify(after));
}

function check({ "txt-records": records }: Scenario, bytes: Buffer, seconds: number) {
  const reading = createArcReading();
  reading.write(bytes);
  // The suite parts a record in lines, as it parts everything.
  const zone = Object.entries(records).map(([name, text]) => [
    `TXT ${name}`,
    [text.replace(/\n/g, "")],
  ]);
  const scope = createLookupScope(new AbortController().signal);
  const keys = createKeyLookup(toZoneResolver(Object.fromEntries(zone)), scope);
  return reading.end({ keys, receivedAt: seconds * 1000 });
}

function tagOf(field: string, name: string): string | undefined {
  return new RegExp(`(?:^|;)${name}=([^;]*)`).exec(field.replace(/\s/g, ""))?.[1];
}

function readScenarios(): readonly Scenario[] {
  const text = readFileSync(join(data.folder, "tests/arc-draft-sign-tests.yml"), "utf8");
  return parseAllDocuments(text).map((document) => document.toJS() as Scenario);
}
