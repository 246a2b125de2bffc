import { type Clock, startDeadline } from "../../base/clock.ts";
import { parseIp } from "../../net/ip.ts";
import { type Resolver, withSignal } from "../../net/resolver.ts";
import { defineStage, type Stage } from "../../pipeline/stage.ts";
import { type DnsblOptions, dnsblOptions, groupByZone } from "./dnsbl-options.ts";
import { type DnsblEvidence, judgeZones } from "./judge-zones.ts";
import { queryZone } from "./query-zones.ts";
import type { ZoneHealth } from "./zone-health.ts";
import type { ZoneRates } from "./zone-rates.ts";

export interface DnsblServices {
  readonly resolver: Resolver;
  readonly zoneHealth: ZoneHealth;
  readonly zoneRates: ZoneRates;
  readonly clock: Clock;
}

/** Above the longest wait, below the connect budget of 5 s. */
const TIMEOUT_MS = 4000;

/** Whether the client is on DNS lists, bad and good, by weight. */
export const dnsblStage: Stage<"connect", DnsblServices> = defineStage<
  "connect",
  DnsblOptions,
  DnsblEvidence,
  DnsblServices
>({
  name: "dnsbl",
  phase: "connect",
  timeoutMs: TIMEOUT_MS,
  onFailure: "open",
  trustable: true,
  concerns: "strangers",
  judges: "origin",
  precedes: ["pregreet"],
  file: "dnsbl",
  options: dnsblOptions,

  async observe({ client, dns }, options, services, signal) {
    const { resolver, zoneHealth, zoneRates, clock } = services;
    const ip = parseIp(client.ip);
    if (!ip) throw new Error(`no IP address: ${client.ip}`);
    const wall = startDeadline(clock, options.waitMs, signal);
    const scope = withSignal(dns, wall.signal);
    const query = { ip, resolver, health: zoneHealth, clock, scope };
    try {
      const zones = groupByZone(options);
      const said = await Promise.all(zones.map((zone) => queryZone(zone, query)));
      return {
        client: ip.text,
        zones: await zoneRates.weigh(ip.text, zones, said, options.breaker),
      };
    } finally {
      wall.clear();
    }
  },

  judge: judgeZones,
});
