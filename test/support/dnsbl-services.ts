import type { TestContext } from "node:test";
import type { Clock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import type { Resolver } from "../../src/net/resolver.ts";
import { createNoRateStore } from "../../src/stages/dnsbl/rate-store.ts";
import { createZoneHealth } from "../../src/stages/dnsbl/zone-health.ts";
import { createZoneRates } from "../../src/stages/dnsbl/zone-rates.ts";
import { afterwards } from "./afterwards.ts";

/** What the stage `dnsbl` needs of the world, for as long as the test lasts. */
export function dnsblServices(t: TestContext, clock: Clock, resolver: Resolver) {
  const metrics = createMetrics();
  const log = createSilentLog();
  const zoneHealth = createZoneHealth({ resolver, clock, log, metrics });
  const zoneRates = createZoneRates({ clock, log, metrics, store: createNoRateStore() });
  afterwards(t, async () => {
    zoneHealth.close();
    await zoneRates.close();
  });
  return { metrics, services: { resolver, zoneHealth, zoneRates, clock } };
}
