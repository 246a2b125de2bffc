import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createIds } from "../../../src/base/ids.ts";
import { createLog } from "../../../src/base/log.ts";
import { createMetrics } from "../../../src/base/metrics.ts";
import { describeStory } from "../../../src/cli/explain.ts";
import { createDnsResolver } from "../../../src/net/dns-resolver.ts";
import type { Fact } from "../../../src/pipeline/facts.ts";
import { toRouting } from "../../../src/policy/routing.ts";
import { toMemorySource } from "../../../src/relay/bounces/memory-source.ts";
import { createDmarcReporter } from "../../../src/relay/dmarc/dmarc-reporter.ts";
import type { NewSpoolItem } from "../../../src/spool/spool.ts";
import type { DmarcCounts, DmarcDay } from "../../../src/tracking/tracking.ts";
import { afterwards } from "../../support/afterwards.ts";
import { readAll } from "../../support/bytes-source.ts";
import { attachedReport, textsOf } from "../../support/dmarc-report-reader.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { type FakeZone, startFakeDns } from "../../support/fake-dns.ts";
import { toTestConnector } from "../../support/relay-bench.ts";
import { toAddress } from "../../support/spool-item.ts";

const HOUR_MS = 3_600_000;
const DAY = "2026-11-24";
const COUNTED: DmarcDay = {
  policy: { p: "none", sp: "none", np: "none", adkim: "r", aspf: "r", testing: false, fo: null },
  leftOut: 0,
  results: [
    {
      sourceIp: "192.0.2.1",
      disposition: "none",
      dkim: "fail",
      spf: "fail",
      reasons: [],
      headerFrom: "example.org",
      envelopeFrom: "example.org",
      signatures: [],
      spfResult: null,
      count: 3,
    },
  ],
};

/** Mail in the name of example.org came the day before; the clock stands at five in the morning. */
async function setUp(t: TestContext, zone: FakeZone, options: Partial<Options> = {}) {
  const { domain = "example.org", counted = COUNTED, enabled = true, routed = ["*"] } = options;
  const clock = createFakeClock(Date.UTC(2026, 10, 25, 5));
  const dns = await startFakeDns(zone);
  const resolver = createDnsResolver({ clock, servers: [dns.address] });
  const noted: string[] = [];
  const counts: DmarcCounts = {
    dmarcDomains: async (day) => (day === DAY && noted.length === 0 ? [domain] : []),
    dmarcDay: async () => counted,
    noteDmarcReport: async (day, domain) => void noted.push(`${day} ${domain}`),
  };
  const sent: { readonly item: NewSpoolItem; readonly message: Buffer }[] = [];
  const facts: Fact[] = [];
  const lines: string[] = [];
  const from = toAddress("dmarc@example.net");
  const dmarcReports = { enabled, from, contact: "dmarc@example.net", organization: null };
  const metrics = createMetrics();
  const report = createDmarcReporter({
    routing: () => ({ ...toRouting([toTestConnector({ domains: routed })]), dmarcReports }),
    counts,
    resolver,
    spool: {
      async add(item, source) {
        sent.push({ item, message: await readAll(source) });
        return { ...item, id: "1", attempts: 0, bytes: source.size };
      },
    },
    signOwnMail: async (source) =>
      toMemorySource(Buffer.concat([Buffer.from("X-Signed: yes\r\n"), await readAll(source)])),
    wake() {},
    record: (fact) => void facts.push(fact),
    clock,
    log: createLog({ level: "info", format: "json", write: (line) => void lines.push(line) }),
    metrics,
    ids: createIds(clock),
    hostname: "mx1.example.net",
  });
  afterwards(t, async () => {
    resolver.close();
    await dns.close();
  });
  const to = () => sent.map(({ item }) => item.envelope.recipients[0]?.address.spoken);
  return { clock, dns, report, sent, to, noted, facts, metrics, log: () => lines.join("\n") };
}

interface Options {
  readonly domain: string;
  readonly counted: DmarcDay;
  readonly enabled: boolean;
  readonly routed: string[];
}

const asking = (rua: string): FakeZone => ({
  "_dmarc.example.org": { TXT: [`v=DMARC1; p=none; rua=${rua}`] },
});
const AGREES = { TXT: ["v=DMARC1"] };

describe("the daily DMARC reports", () => {
  it("go by mail to who publishes the policy, once, and explain tells of them", async (t) => {
    const bench = await setUp(t, asking("mailto:rua@example.org"));
    await bench.report();
    await bench.report();
    assert.deepEqual(bench.to(), ["rua@example.org"]);
    assert.deepEqual(bench.noted, [`${DAY} example.org`]);
    const [{ item, message } = { item: null, message: Buffer.alloc(0) }] = bench.sent;
    assert.equal(item?.envelope.sender?.spoken, "dmarc@example.net");
    assert.equal(item?.ignoresTlsPolicies, undefined);
    assert.match(message.toString("latin1"), /^X-Signed: yes\r\nDate: /);
    const { name, xml } = attachedReport(message);
    assert.match(name, /^mx1\.example\.net!example\.org!\d+!\d+\.xml\.gz$/);
    assert.deepEqual(textsOf(xml, "org_name"), ["mx1.example.net"]);
    const [fact] = bench.facts;
    assert.ok(fact?.kind === "decided");
    assert.equal(fact.record.id, item?.transactionId);
    const told = describeStory({ record: fact.record, fate: [] }).join("\n");
    assert.match(
      told,
      /the DMARC report about example\.org on 2026-11-24 \(UTC\): 3 messages of 1/,
    );
    assert.match(told, /subject +Report Domain: example\.org/);
    const { text } = await bench.metrics.expose();
    assert.match(text, /postern_dmarc_reports_total\{result="sent"\} 1/);
  });

  it("go below the same organisation without asking it", async (t) => {
    const zone = { ...asking("mailto:a@reports.example.org"), "_dmarc.org": {} };
    const { report, to, dns } = await setUp(t, zone);
    await report();
    assert.deepEqual(to(), ["a@reports.example.org"]);
    assert.ok(!dns.queries.some((query) => query.includes("_report")));
  });

  it("go to another organisation only when it agrees, or all of its addresses", async (t) => {
    const rua = "mailto:a@agrees.example,mailto:b@victim.example,mailto:c@all.example";
    const { report, to, log, noted } = await setUp(t, {
      ...asking(rua),
      "example.org._report._dmarc.agrees.example": AGREES,
      "example.org._report._dmarc.victim.example": { TXT: ["v=spf1 -all"] },
      "example.org._report._dmarc.all.example": AGREES,
    });
    await report();
    assert.deepEqual(to(), ["a@agrees.example", "c@all.example"]);
    assert.match(log(), /b@victim\.example.*does not agree.*dmarc-report-not-sent/);
    assert.equal(noted.length, 1);
  });

  it("go to the address that the other organisation names, never to a third one", async (t) => {
    const at = (host: string) => `example.org._report._dmarc.${host}`;
    const { report, to } = await setUp(t, {
      ...asking("mailto:a@one.example,mailto:b@two.example"),
      [at("one.example")]: { TXT: ["v=DMARC1; rua=mailto:box@one.example"] },
      [at("two.example")]: { TXT: ["v=DMARC1; rua=mailto:box@victim.example"] },
    });
    await report();
    assert.deepEqual(to(), ["box@one.example"]);
  });

  it("are not larger than their reader wants", async (t) => {
    const rua = "mailto:a@example.org!1k,mailto:b@example.org!10m";
    const { report, to, log } = await setUp(t, asking(rua));
    await report();
    assert.deepEqual(to(), ["b@example.org"]);
    assert.match(log(), /a@example\.org.*octets, and 1024 are wanted at most/);
  });

  it("go to five addresses at most, and to none that is no mailbox", async (t) => {
    const rua = [
      "https://r.example.org/",
      "mailto:a@[127.0.0.1]",
      ...[1, 2, 3, 4].map((n) => `mailto:a${n}@example.org`),
    ].join(",");
    const { report, to } = await setUp(t, asking(rua));
    await report();
    assert.deepEqual(to(), ["a1@example.org", "a2@example.org", "a3@example.org"]);
  });

  it("are not sent to who does not ask any more, and not when they are off", async (t) => {
    const unasked = await setUp(t, { "_dmarc.example.org": { TXT: ["v=DMARC1; p=none"] } });
    await unasked.report();
    assert.deepEqual([unasked.sent.length, unasked.noted.length], [0, 1]);
    const off = await setUp(t, asking("mailto:rua@example.org"), { enabled: false });
    await off.report();
    assert.equal(off.sent.length + off.noted.length + off.dns.queries.length, 0);
  });

  it("wait for DNS, and for a connector, as long as the day lasts", async (t) => {
    const zone = asking("mailto:a@agrees.example");
    const name = "example.org._report._dmarc.agrees.example";
    const waiting = await setUp(t, { ...zone, [name]: AGREES });
    waiting.dns.behave(name, "servfail");
    await waiting.report();
    assert.equal(waiting.sent.length + waiting.noted.length, 0);
    waiting.dns.behave(name, "answer");
    await waiting.clock.advance(HOUR_MS);
    await waiting.report();
    assert.deepEqual(waiting.to(), ["a@agrees.example"]);
    const rua = asking("mailto:rua@example.org");
    const stranded = await setUp(t, rua, { routed: ["elsewhere.example"] });
    await stranded.report();
    assert.equal(stranded.sent.length + stranded.noted.length, 0);
    assert.match(stranded.log(), /no connector takes mail to example\.org/);
  });

  it("tell what there was no room for, in log and metrics", async (t) => {
    const counted = { ...COUNTED, leftOut: 9 };
    const { report, sent, noted, log, metrics } = await setUp(t, {}, { domain: "", counted });
    await report();
    assert.deepEqual([sent.length, noted.length], [0, 1]);
    assert.match(log(), /"messages":9.*dmarc-results-left-out/);
    const { text } = await metrics.expose();
    assert.match(text, /postern_dmarc_results_left_out_total 9/);
  });
});
