import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { spfCheck } from "../../src/doctor/spf-check.ts";
import { proposeSpf } from "../../src/doctor/spf-proposal.ts";
import { toRouting } from "../../src/policy/routing.ts";
import type { AcceptedDomain, Connector, Domains } from "../../src/policy/snapshot.ts";
import type { FakeZone } from "../support/fake-dns.ts";
import { fakedResolver } from "../support/faked-resolver.ts";
import { toTestConnector } from "../support/relay-bench.ts";
import { toAddress } from "../support/spool-item.ts";

const HUB = toTestConnector({ name: "hub", domains: ["example.org"] });
const DIRECT = toTestConnector({
  name: "out",
  domains: ["*"],
  to: { kind: "mx", port: 25 },
  sourceAddresses: ["203.0.113.7"],
});
const EHLO = { "mx1.example.org": { A: ["203.0.113.7"], TXT: ["v=spf1 a -all"] } };

interface Scene {
  readonly zone?: FakeZone;
  readonly connectors?: readonly Connector[];
  readonly machine?: readonly string[];
  readonly given?: readonly string[];
  /** Who sends DMARC reports. */
  readonly reporter?: string;
}

/** Lines as doctor prints them. */
async function look(t: TestContext, { zone = {}, connectors = [HUB, DIRECT], ...more }: Scene) {
  const clock = createSystemClock();
  const { resolver } = await fakedResolver(t, zone, clock);
  const own: AcceptedDomain = {
    name: "example.org",
    type: "authoritative",
    recipients: { kind: "any" },
    ack: "hub",
    lineEndings: "refuse",
  };
  const domains: Domains = { all: [own], find: (name) => (name === own.name ? own : null) };
  const check = spfCheck({
    routing: { ...toRouting(connectors), ...(more.reporter && reportsBy(more.reporter)) },
    domains,
    hostname: "mx1.example.org",
    machine: more.machine ?? [],
    given: more.given ?? [],
    resolver,
    clock,
  });
  const findings = await check.run();
  return findings.map(({ status, subject, detail }) => `${status} ${subject}: ${detail}`);
}

function reportsBy(from: string) {
  const dmarcReports = { enabled: true, from: toAddress(from), contact: from, organization: null };
  return { dmarcReports };
}

const published = (text: string, ...others: readonly string[]): FakeZone => ({
  ...EHLO,
  "example.org": { TXT: [text, ...others] },
});

describe("doctor spf", () => {
  it("is content when all addresses pass, of the domain and of the EHLO name", async (t) => {
    assert.deepEqual(await look(t, { zone: published("v=spf1 ip4:203.0.113.0/24 -all") }), [
      "ok addresses: mail leaves from 203.0.113.7",
      "ok example.org: v=spf1 ip4:203.0.113.0/24 -all",
      "ok mx1.example.org: v=spf1 a -all",
    ]);
  });

  it("proposes a record where there is none", async (t) => {
    const lines = await look(t, { zone: { "mx1.example.org": { A: ["203.0.113.7"] } } });
    assert.deepEqual(lines.slice(1), [
      'warn example.org: has no SPF record; publish: example.org. TXT "v=spf1 ip4:203.0.113.7 -all"',
      'warn mx1.example.org: has no SPF record; publish: mx1.example.org. TXT "v=spf1 ip4:203.0.113.7 -all"',
    ]);
  });

  it("looks at the domain that sends our reports as well", async (t) => {
    const zone = published("v=spf1 ip4:203.0.113.7 -all");
    const lines = await look(t, { zone, reporter: "dmarc@reports.example.net" });
    assert.match(lines.join("\n"), /^warn reports\.example\.net: has no SPF record; publish: /m);
  });

  it("adds what is missing to what is there, and says what receivers see", async (t) => {
    const text = "v=spf1 include:other.example ip4:198.51.100.1 -all";
    const zone = { ...published(text), "other.example": { TXT: ["v=spf1 -all"] } };
    const lines = await look(t, { zone });
    assert.ok(
      lines.includes("fail example.org: mail from 203.0.113.7 gets fail"),
      lines.join("\n"),
    );
    assert.match(
      lines.join("\n"),
      /publish: example\.org\. TXT "v=spf1 include:other\.example ip4:198\.51\.100\.1 ip4:203\.0\.113\.7 -all"/,
    );
  });

  it("knows the addresses of a connector, of the machine, of the EHLO name and those given", async (t) => {
    const silent = { ...DIRECT, sourceAddresses: [] };
    const lines = await look(t, {
      zone: { "mx1.example.org": { A: ["203.0.113.9"], AAAA: ["2606:4700::9"] } },
      connectors: [HUB, silent],
      machine: ["127.0.0.1", "10.0.0.5", "198.51.100.20"],
      given: ["198.51.100.21"],
    });
    assert.equal(
      lines[0],
      "ok addresses: mail leaves from 198.51.100.21, 198.51.100.20, 203.0.113.9, 2606:4700::9",
    );
    assert.match(lines.join("\n"), /ip4:203\.0\.113\.9 ip6:2606:4700::9 -all/);
  });

  it("says that an address of the own network is no use", async (t) => {
    const silent = { ...DIRECT, sourceAddresses: ["10.0.0.5"] };
    const lines = await look(t, { connectors: [HUB, silent] });
    assert.match(lines[0] ?? "", /^warn addresses: no public address is known: .*--ip ADDRESS/);
    assert.match(lines[1] ?? "", /^warn addresses: 10\.0\.0\.5 means nothing outside/);
  });

  it("tells of smarthosts of others, and of no way out at all", async (t) => {
    const hosts = [{ host: "relay.example", port: 587, priority: 0, weight: 1 }];
    const to = { kind: "smarthosts", hosts } as const;
    const relay = toTestConnector({ name: "out", domains: ["*"], to });
    const lines = await look(t, { connectors: [HUB, relay] });
    assert.match(lines[0] ?? "", /^warn smarthosts: .* leaves through relay\.example: /);
    assert.deepEqual(await look(t, { connectors: [HUB] }), [
      "ok routes: no connector sends to other domains",
    ]);
  });

  for (const [what, text, told] of [
    [
      "more than ten look-ups",
      `v=spf1 ip4:203.0.113.7 ${"a:x.example ".repeat(11)}-all`,
      /^fail .* look up 11 names, and 10 are/,
    ],
    [
      "nearly ten look-ups",
      `v=spf1 ip4:203.0.113.7 ${"a:x.example ".repeat(9)}-all`,
      /^warn .* look up 9 names of 10/,
    ],
    [
      "included look-ups",
      "v=spf1 ip4:203.0.113.7 include:many.example -all",
      /^fail .* look up 12 names/,
    ],
    [
      "a loop of includes",
      "v=spf1 ip4:203.0.113.7 include:example.org -all",
      /^fail .* look up 30 names/,
    ],
    ["ptr", "v=spf1 ip4:203.0.113.7 ptr -all", /^warn .*ptr is slow/],
    ["+all", "v=spf1 +all", /^fail .*\+all lets everybody/],
    ["all", "v=spf1 ip4:203.0.113.7 all", /^fail .*all lets everybody/],
    ["?all", "v=spf1 ip4:203.0.113.7 ?all", /^warn .*\?all says nothing/],
    ["~all", "v=spf1 ip4:203.0.113.7 ~all", /^warn .*~all only marks/],
    ["no all", "v=spf1 ip4:203.0.113.7", /^warn .*no all at its end/],
    ["a mistake", "v=spf1 ipv4:203.0.113.7 -all", /^fail .*is no valid record/],
  ] as const)
    it(`tells of ${what}`, async (t) => {
      const many = { "many.example": { TXT: [`v=spf1 ${"mx:x.example ".repeat(11)}-all`] } };
      const lines = await look(t, { zone: { ...published(text), ...many } });
      const own = lines.filter((line) => line.includes(" example.org: "));
      assert.ok(
        own.some((line) => told.test(line)),
        own.join("\n"),
      );
    });

  it("tells of several records, and of DNS that does not answer", async (t) => {
    const several = await look(t, { zone: published("v=spf1 -all", "v=spf1 a -all") });
    assert.match(several.join("\n"), /^fail example\.org: 2 SPF records/m);
  });
});

describe("a proposed record", () => {
  it("keeps what is there, closes an open end, and stands before a redirect", () => {
    assert.equal(proposeSpf("v=spf1 mx +all", ["2606:4700::9"]), "v=spf1 mx ip6:2606:4700::9 -all");
    assert.equal(
      proposeSpf("v=spf1  redirect=x.example", ["192.0.2.1"]),
      "v=spf1 ip4:192.0.2.1 redirect=x.example",
    );
    assert.equal(proposeSpf("v=spf1 a", []), "v=spf1 a -all");
  });
});
