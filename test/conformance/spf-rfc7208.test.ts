import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { parseAllDocuments } from "yaml";
import { checkSpf } from "../../src/auth/spf/check-spf.ts";
import type { Address } from "../../src/mail/address.ts";
import { createDnsResolver } from "../../src/net/dns-resolver.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import { afterwards } from "../support/afterwards.ts";
import { conformanceData } from "../support/conformance-data.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { type FakeHost, type FakeZone, startFakeDns } from "../support/fake-dns.ts";

/*
 * The openspf suite for RFC 7208 in both published versions, through our own resolver and a real
 * DNS server on loopback. No test is excepted. Where the suite allows several results, ours is one
 * of them. "DEFAULT" means that the domain gives no explanation of its own.
 */
const FILES = [
  { file: "rfc7208-tests.yml", tests: 200 },
  { file: "rfc7208-tests-2014-05.yml", tests: 193 },
];
const TIMEOUT_MS = 2000;

interface Scenario {
  readonly description: string;
  readonly tests: Readonly<Record<string, SuiteTest>>;
  readonly zonedata: Readonly<Record<string, readonly SuiteRecord[]>>;
}

interface SuiteTest {
  readonly helo: string;
  readonly host: string;
  readonly mailfrom: string;
  readonly result: string | readonly string[];
  readonly explanation?: string;
}

type SuiteRecord = "TIMEOUT" | Readonly<Record<string, unknown>>;

const data = conformanceData("spf-rfc7208");

for (const { file, tests } of FILES) {
  describe(`SPF gives the results of ${file}`, { skip: data.skip }, () => {
    const scenarios = data.skip ? [] : readScenarios(join(data.folder, file));
    it("and every test of the file is run", () => {
      const count = scenarios.reduce((sum, { tests }) => sum + Object.keys(tests).length, 0);
      assert.equal(count, tests);
    });
    for (const scenario of scenarios)
      for (const [name, test] of Object.entries(scenario.tests))
        it(`${scenario.description}: ${name}`, (t) => check(t, scenario, test));
  });
}

async function check(t: TestContext, scenario: Scenario, test: SuiteTest): Promise<void> {
  const dns = await startFakeDns(toZone(scenario.zonedata));
  const clock = createFakeClock();
  dns.onDrop(() => void clock.advance(TIMEOUT_MS));
  const resolver = createDnsResolver({ clock, servers: [dns.address], timeoutMs: TIMEOUT_MS });
  afterwards(t, async () => {
    resolver.close();
    await dns.close();
  });
  const question = {
    ip: test.host,
    sender: toAddress(test.mailfrom),
    helo: test.helo,
    receiver: "receiver.example.net",
    receivedAt: clock.now(),
  };
  const scope = createLookupScope(new AbortController().signal);
  const answer = await checkSpf(question, resolver, scope);
  const shown = JSON.stringify(answer, null, 1);
  assert.ok([test.result].flat().includes(answer.result), shown);
  if (test.explanation !== undefined)
    assert.equal(answer.explanation ?? "DEFAULT", test.explanation, shown);
}

function readScenarios(path: string): readonly Scenario[] {
  return parseAllDocuments(readFileSync(path, "utf8"), { uniqueKeys: false }).map(
    (document) => document.toJS() as Scenario,
  );
}

function toAddress(spoken: string): Address | null {
  if (spoken === "") return null;
  const at = spoken.lastIndexOf("@");
  return { spoken, localPart: spoken.slice(0, at), domain: spoken.slice(at + 1).toLowerCase() };
}

/** "SPF" records stand for TXT ones at a name without TXT; "TIMEOUT" silences all other types. */
function toZone(zonedata: Scenario["zonedata"]): FakeZone {
  return Object.fromEntries(Object.entries(zonedata).map(([name, list]) => [name, toHost(list)]));
}

function toHost(list: readonly SuiteRecord[]): FakeHost {
  const records = list.filter((record) => record !== "TIMEOUT");
  const all = <T>(type: string) =>
    records.filter((record) => type in record).map((record) => record[type] as T);
  const txt = all<string | readonly string[]>("TXT");
  const spf = all<string | readonly string[]>("SPF");
  const [cname] = all<string>("CNAME");
  return {
    A: all("A"),
    AAAA: all("AAAA"),
    MX: all("MX"),
    PTR: all("PTR"),
    TXT: (txt.length > 0 ? txt : spf).filter((text) => text !== "NONE"),
    ...(cname === undefined ? {} : { CNAME: cname }),
    silent: list.includes("TIMEOUT"),
  };
}
