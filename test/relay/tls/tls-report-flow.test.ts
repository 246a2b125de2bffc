import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { createSystemClock } from "../../../src/base/clock.ts";
import { createIds } from "../../../src/base/ids.ts";
import { createSilentLog } from "../../../src/base/log.ts";
import { createMetrics } from "../../../src/base/metrics.ts";
import { createHttpsClient } from "../../../src/net/https-exchange.ts";
import { toRouting } from "../../../src/policy/routing.ts";
import { createTlsReporter } from "../../../src/relay/tls/tls-reporter.ts";
import { createSqliteTracking } from "../../../src/tracking/sqlite-tracking.ts";
import { afterwards } from "../../support/afterwards.ts";
import { toBytesSource } from "../../support/bytes-source.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { openMxPolicyBench, STS_RECORD } from "../../support/mx-policy-bench.ts";
import { openRelayBench, toLeg, toTestConnector } from "../../support/relay-bench.ts";
import { startScriptedHub } from "../../support/scripted-hub.ts";
import { toAddress } from "../../support/spool-item.ts";

const DOMAIN = "example.org";
const HOST = "mx.example.org";
const DAY_MS = 86_400_000;
/** All reports are due five hours after midnight. */
const DUE_MS = 5 * 3_600_000;

test("a domain learns by mail, from the server that has lost its TLS, that it has lost it", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "postern-report-"));
  const hub = await startScriptedHub();
  const clock = createSystemClock();
  const log = createSilentLog();
  const tracking = createSqliteTracking({ folder, clock, log });
  afterwards(t, async () => {
    await Promise.all([hub.close(), tracking.close()]);
    await rm(folder, { recursive: true, force: true });
  });
  const bench = await openMxPolicyBench(t, {
    [DOMAIN]: { MX: [[10, HOST]] },
    [HOST]: { A: [hub.host] },
    [`_mta-sts.${DOMAIN}`]: STS_RECORD,
    [`_smtp._tls.${DOMAIN}`]: { TXT: [`v=TLSRPTv1; rua=mailto:reports@${DOMAIN}`] },
  });
  await bench.keepSts(DOMAIN, { mode: "enforce", mx: [HOST], maxAgeSeconds: DAY_MS });
  const connector = toTestConnector({
    to: { kind: "mx", port: hub.port },
    tls: { mode: "opportunistic", names: [], ca: null, pins: [], identity: null },
  });
  const { relay, spool, until, facts } = await openRelayBench(t, {
    hubs: [],
    connectors: [connector],
    resolver: bench.resolver,
    tlsPolicy(facts) {
      facts.listen((fact) => void tracking.record(fact));
      return bench.createPolicy(facts);
    },
  });
  const source = toBytesSource("Subject: x\r\n\r\nbody\r\n");
  const result = await relay.attempt(toLeg([`a@${DOMAIN}`]), source, 20_000);
  assert.equal(result.kind, "unsent");
  const told = facts.find(({ kind }) => kind === "tls-session");
  const at = told && "at" in told ? told.at : 0;

  const report = createTlsReporter({
    signOwnMail: async (source) => source,
    routing: () => ({
      ...toRouting([connector]),
      tlsReports: {
        enabled: true,
        from: toAddress("tls@example.net"),
        contact: "tls@example.net",
        organization: "Example",
      },
    }),
    counts: tracking,
    resolver: bench.resolver,
    https: createHttpsClient({ resolver: bench.resolver, isOwnHost: () => false }),
    spool,
    wake: relay.wake,
    record: (fact) => void tracking.record(fact),
    clock: createFakeClock(at - (at % DAY_MS) + DAY_MS + DUE_MS),
    log,
    metrics: createMetrics(),
    ids: createIds(clock),
    hostname: "mx1.example.net",
  });
  await report();
  // The reporter lives on the next day: by the clock of the relay its mail is not due yet.
  const [entry] = spool.list();
  const [lease] = await spool.leaseDue(entry?.dueAt ?? 0, 1);
  assert.ok(lease);
  assert.equal(lease.item.ignoresTlsPolicies, true);
  await lease.retry({ recipients: lease.item.envelope.recipients, dueAt: 0, reason: "a test" });
  relay.start();
  await until(() => hub.messages.length === 1);
  const [message] = hub.messages;
  assert.equal(message?.tls, false);
  assert.deepEqual(message.recipients, [`reports@${DOMAIN}`]);
  const text = message.data.toString("latin1").replaceAll("\r", "");
  const base64 = /base64[\s\S]*?\n\n([\s\S]*?)\n--/.exec(text)?.[1] ?? "";
  const json = JSON.parse(gunzipSync(Buffer.from(base64, "base64")).toString());
  assert.equal(json["organization-name"], "Example");
  assert.deepEqual(json.policies, [
    {
      policy: {
        "policy-type": "sts",
        "policy-string": ["version: STSv1", "mode: enforce", `mx: ${HOST}`, "max_age: 31557600"],
        "policy-domain": DOMAIN,
        "mx-host": [HOST],
      },
      summary: { "total-successful-session-count": 0, "total-failure-session-count": 1 },
      "failure-details": [
        {
          "result-type": "starttls-not-supported",
          "sending-mta-ip": "127.0.0.1",
          "receiving-mx-hostname": HOST,
          "receiving-ip": "127.0.0.1",
          "failed-session-count": 1,
          "failure-reason-code": json.policies[0]["failure-details"][0]["failure-reason-code"],
        },
      ],
    },
  ]);
});
