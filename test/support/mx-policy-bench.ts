import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createMetrics, type Metrics } from "../../src/base/metrics.ts";
import { createDnsResolver } from "../../src/net/dns-resolver.ts";
import { createHttpsClient } from "../../src/net/https-exchange.ts";
import type { Resolver } from "../../src/net/resolver.ts";
import type { FactBus } from "../../src/pipeline/facts.ts";
import { createMtaSts } from "../../src/relay/tls/mta-sts.ts";
import type { StsPolicy } from "../../src/relay/tls/mta-sts-policy.ts";
import { createStsStore } from "../../src/relay/tls/mta-sts-store.ts";
import { createMxTlsPolicy } from "../../src/relay/tls/mx-tls-policy.ts";
import type { TlsPolicy } from "../../src/relay/tls/tls-policy.ts";
import { afterwards } from "./afterwards.ts";
import { type FakeDns, type FakeZone, startFakeDns } from "./fake-dns.ts";

/** The policy towards MX hosts over a DNS of the test's, and MTA-STS policies fetched before. */
export interface MxPolicyBench {
  readonly dns: FakeDns;
  readonly resolver: Resolver;
  readonly metrics: Metrics;
  createPolicy(facts: FactBus): TlsPolicy;
  /** As if it had been fetched; its record must be in the zone with id 1. */
  keepSts(domain: string, policy: StsPolicy): Promise<void>;
}

export const STS_RECORD = { TXT: ["v=STSv1; id=1"] } as const;

export async function openMxPolicyBench(t: TestContext, zone: FakeZone): Promise<MxPolicyBench> {
  const clock = createSystemClock();
  const folder = await mkdtemp(join(tmpdir(), "postern-mx-"));
  const dns = await startFakeDns(zone);
  const resolver = createDnsResolver({ clock, servers: [dns.address], validates: true });
  const log = createSilentLog();
  const metrics = createMetrics();
  const store = createStsStore(folder);
  const https = createHttpsClient({ resolver, isOwnHost: () => false });
  const mtaSts = createMtaSts({ resolver, https, store, clock, log });
  afterwards(t, async () => {
    resolver.close();
    await dns.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    dns,
    resolver,
    metrics,
    createPolicy: (facts) => createMxTlsPolicy({ resolver, mtaSts, facts, metrics, clock }),
    async keepSts(domain, policy) {
      const now = clock.now();
      await store.write({ domain, id: "1", policy, fetchedAt: now, usedAt: now });
    },
  };
}
