import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { checkSenderId } from "../../src/auth/sender-id/check-sender-id.ts";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import { conformanceData } from "../support/conformance-data.ts";
import { toZoneResolver } from "../support/zone-resolver.ts";

/*
 * The published suite for RFC 4406: all two tests of it, both of which records are chosen for the
 * scope mfrom. The rest of the RFC is in test/auth/sender-id/. The suite publishes records of type
 * SPF, which RFC 7208 3.1 has given up; they stand for TXT here, as in the suite of SPF.
 */
interface Suite {
  readonly description: string;
  readonly tests: Readonly<Record<string, SuiteTest>>;
  readonly zonedata: Readonly<Record<string, readonly { readonly SPF: string }[]>>;
}

interface SuiteTest {
  readonly helo: string;
  readonly host: string;
  readonly mailfrom: string;
  readonly result: string;
}

const data = conformanceData("spf-rfc7208");

describe("Sender ID gives the results of rfc4406-tests.yml", { skip: data.skip }, () => {
  const file = join(data.folder, "mail-spf-perl/rfc4406-tests.yml");
  const suite = data.skip ? null : (parse(readFileSync(file, "utf8")) as Suite);
  it("and every test of the file is run", () => {
    assert.equal(Object.keys(suite?.tests ?? {}).length, 2);
  });
  for (const [name, test] of Object.entries(suite?.tests ?? {}))
    it(`${suite?.description}: ${name}`, async () => {
      const zone = Object.entries(suite?.zonedata ?? {}).map(([host, list]) => [
        `TXT ${host}`,
        list.map(({ SPF }) => SPF),
      ]);
      const at = test.mailfrom.lastIndexOf("@");
      const question = {
        ip: test.host,
        headers: parseHeaderBlock(Buffer.alloc(0)),
        sender: {
          spoken: test.mailfrom,
          localPart: test.mailfrom.slice(0, at),
          domain: test.mailfrom.slice(at + 1),
        },
        helo: test.helo,
        receiver: "receiver.example.net",
        receivedAt: 0,
        scopes: ["mfrom"] as const,
        usesVersion1: true,
      };
      const scope = createLookupScope(new AbortController().signal);
      const resolver = toZoneResolver(Object.fromEntries(zone));
      const { checks } = await checkSenderId(question, resolver, scope);
      assert.deepEqual(
        checks.map(({ result }) => result),
        [test.result],
        JSON.stringify(checks, null, 1),
      );
    });
});
