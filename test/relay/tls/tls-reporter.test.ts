import assert from "node:assert/strict";
import { before, describe, it, type TestContext } from "node:test";
import { gunzipSync } from "node:zlib";
import { withFieldsOnTop } from "../../../src/auth/dkim/signable.ts";
import { createIds } from "../../../src/base/ids.ts";
import { createSilentLog } from "../../../src/base/log.ts";
import { createMetrics } from "../../../src/base/metrics.ts";
import { createDnsResolver } from "../../../src/net/dns-resolver.ts";
import { createHttpsClient } from "../../../src/net/https-exchange.ts";
import type { Fact } from "../../../src/pipeline/facts.ts";
import { toRouting } from "../../../src/policy/routing.ts";
import type { ReportPolicy } from "../../../src/policy/snapshot.ts";
import { createTlsReporter } from "../../../src/relay/tls/tls-reporter.ts";
import type { NewSpoolItem } from "../../../src/spool/spool.ts";
import type { CountedTlsSession, TlsSessionCounts } from "../../../src/tracking/tracking.ts";
import { afterwards } from "../../support/afterwards.ts";
import { readAll } from "../../support/bytes-source.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { startFakeDns } from "../../support/fake-dns.ts";
import { type MadeCertificate, makeCertificate } from "../../support/made-certificate.ts";
import { startPolicyHost } from "../../support/policy-host.ts";
import { toTestConnector } from "../../support/relay-bench.ts";
import { toAddress } from "../../support/spool-item.ts";

const HOUR_MS = 3_600_000;
const SESSION: CountedTlsSession = {
  policy: { type: "no-policy-found", domain: "example.org" },
  mxHost: "mx.example.org",
  ip: "192.0.2.1",
  ownIp: null,
  failure: null,
  count: 7,
};
const POLICY: ReportPolicy = {
  enabled: true,
  from: toAddress("tls@example.net"),
  contact: "tls@example.net",
  organization: null,
};

describe("the daily TLS reports", () => {
  let identity: MadeCertificate;
  before(async () => {
    identity = await makeCertificate("r", { names: ["r.example.org", "hub.internal"] });
  });

  /** Sessions with example.org on the day before; the clock stands at midnight. */
  async function setUp(t: TestContext, rua: string | null, policy: Partial<ReportPolicy> = {}) {
    const clock = createFakeClock(Date.UTC(2026, 10, 25));
    const receiver = await startPolicyHost(identity, { status: 201, body: "" });
    const text = `v=TLSRPTv1; rua=${rua?.replace("PORT", String(receiver.port))}`;
    const dns = await startFakeDns(
      rua === null ? {} : { "_smtp._tls.example.org": { TXT: [text] } },
    );
    const hosts = { "r.example.org": "127.0.0.1", "hub.internal": "127.0.0.1" };
    const resolver = createDnsResolver({ clock, servers: [dns.address], hosts });
    const isOwnHost = (host: string) => Object.hasOwn(hosts, host);
    const https = createHttpsClient({ resolver, isOwnHost, authorities: [identity.cert] });
    const noted = new Set<string>();
    const counts: TlsSessionCounts = {
      tlsDomains: async (day) =>
        day === "2026-11-24" && !noted.has("example.org") ? ["example.org"] : [],
      tlsSessions: async () => [SESSION],
      noteTlsReport: async (_day, domain) => void noted.add(domain),
    };
    const items: { readonly item: NewSpoolItem; readonly text: string }[] = [];
    const told: Fact[] = [];
    let woken = 0;
    const routing = toRouting([toTestConnector({ domains: ["example.org"] })]);
    const report = createTlsReporter({
      signOwnMail: async (source) => withFieldsOnTop(source, "DKIM-Signature: of a test\r\n"),
      routing: () => ({ ...routing, tlsReports: { ...POLICY, ...policy } }),
      counts,
      resolver,
      https,
      spool: {
        async add(item, source) {
          items.push({ item, text: (await readAll(source)).toString("latin1") });
          return { ...item, id: "1", attempts: 0, bytes: source.size };
        },
      },
      wake: () => {
        woken += 1;
      },
      record: (fact) => void told.push(fact),
      clock,
      log: createSilentLog(),
      metrics: createMetrics(),
      ids: createIds(clock),
      hostname: "mx1.example.net",
    });
    afterwards(t, async () => {
      resolver.close();
      await Promise.all([dns.close(), receiver.close()]);
    });
    return { clock, receiver, dns, report, items, noted, told, woken: () => woken };
  }

  it("go by mail through the relay, past DANE and MTA-STS, once", async (t) => {
    const { clock, report, items, noted, told, woken } = await setUp(
      t,
      "mailto:reports@example.org",
    );
    await clock.advance(5 * HOUR_MS);
    await report();
    await report();
    assert.equal(items.length, 1);
    assert.equal(woken(), 1);
    const [{ item, text } = { item: null, text: "" }] = items;
    assert.equal(item?.ignoresTlsPolicies, true);
    // So that trace and explain find it.
    assert.ok(told[0]?.kind === "decided");
    assert.equal(told[0].record.id, item.transactionId);
    assert.equal(item.envelope.sender?.spoken, "tls@example.net");
    assert.equal(item.envelope.recipients[0]?.address.spoken, "reports@example.org");
    assert.match(text, /^DKIM-Signature: of a test\r\nDate: /);
    assert.match(text, /^TLS-Report-Domain: example\.org\r$/m);
    assert.deepEqual([...noted], ["example.org"]);
  });

  it("wait for their own time within four hours after midnight", async (t) => {
    const { clock, report, items } = await setUp(t, "mailto:reports@example.org");
    await report();
    assert.equal(items.length, 0);
    await clock.advance(4.2 * HOUR_MS);
    await report();
    assert.equal(items.length, 1);
  });

  it("are posted as gzip where the domain wants that", async (t) => {
    const { clock, report, receiver, noted } = await setUp(t, "https://r.example.org:PORT/v1?a=b");
    await clock.advance(5 * HOUR_MS);
    await report();
    assert.deepEqual(receiver.requests, ["POST r.example.org /v1?a=b"]);
    assert.deepEqual(receiver.contentTypes, ["application/tlsrpt+gzip"]);
    const json = JSON.parse(gunzipSync(receiver.bodies[0] ?? Buffer.alloc(0)).toString());
    assert.equal(json["organization-name"], "mx1.example.net");
    assert.equal(json.policies[0].summary["total-successful-session-count"], 7);
    assert.equal(noted.size, 1);
  });

  it("are not posted to a host of ours that a stranger names", async (t) => {
    const { clock, report, receiver, noted } = await setUp(t, "https://hub.internal:PORT/");
    await clock.advance(5 * HOUR_MS);
    await report();
    assert.equal(receiver.requests.length, 0);
    assert.equal(noted.size, 0);
  });

  it("are tried again while their receiver is away, and no longer than the day", async (t) => {
    const { clock, report, receiver, noted } = await setUp(t, "https://r.example.org:PORT/");
    receiver.say({ status: 503, body: "" });
    await clock.advance(5 * HOUR_MS);
    await report();
    assert.equal(noted.size, 0);
    receiver.say({ status: 200, body: "" });
    await report();
    assert.equal(noted.size, 1);
    assert.equal(receiver.requests.length, 2);
    await clock.advance(24 * HOUR_MS);
    await report();
    assert.equal(receiver.requests.length, 2);
  });

  it("are sent to all that the domain names, and one that takes it is enough", async (t) => {
    const rua = "mailto:a@nowhere.example,mailto:b@example.org";
    const { clock, report, items, noted } = await setUp(t, rua);
    await clock.advance(5 * HOUR_MS);
    await report();
    assert.equal(items[0]?.item.envelope.recipients[0]?.address.spoken, "b@example.org");
    assert.equal(noted.size, 1);
  });

  it("are not sent to who does not ask, nor when they are not enabled", async (t) => {
    const unasked = await setUp(t, null);
    await unasked.clock.advance(5 * HOUR_MS);
    await unasked.report();
    assert.deepEqual([...unasked.noted], ["example.org"]);
    assert.equal(unasked.items.length, 0);
    const off = await setUp(t, "mailto:reports@example.org", { enabled: false });
    await off.clock.advance(5 * HOUR_MS);
    await off.report();
    assert.equal(off.items.length + off.noted.size + off.dns.queries.length, 0);
  });

  it("are not given up because DNS does not answer", async (t) => {
    const { clock, report, dns, items, noted } = await setUp(t, "mailto:reports@example.org");
    dns.behave("_smtp._tls.example.org", "servfail");
    await clock.advance(5 * HOUR_MS);
    await report();
    assert.equal(noted.size, 0);
    dns.behave("_smtp._tls.example.org", "answer");
    await report();
    assert.equal(items.length, 1);
  });
});
