import { type Clock, startDeadline } from "../../base/clock.ts";
import type { IpAddress } from "../../net/ip.ts";
import { createLookupScope, type Resolver } from "../../net/resolver.ts";
import type { Verdict } from "../../pipeline/verdict.ts";
import { type DnsblOptions, groupByZone } from "./dnsbl-options.ts";
import { judgeZones } from "./judge-zones.ts";
import { matchingScores, queryZone, type ZoneEvidence } from "./query-zones.ts";
import type { ZoneHealth } from "./zone-health.ts";
import type { ZoneStanding } from "./zone-watch.ts";

export interface DnsblProbe {
  readonly options: DnsblOptions;
  readonly resolver: Resolver;
  readonly health: ZoneHealth;
  readonly clock: Clock;
}

/** What all lists say about one address, for a person who wants to know. */
export interface DnsblAnswer {
  readonly client: string;
  readonly zones: readonly DnsblZoneAnswer[];
  readonly verdict: Verdict;
}

export interface DnsblZoneAnswer extends ZoneEvidence {
  /** As replies and logs name it; a zone name may hold a paid key. */
  readonly label: string;
  /** Of the lists of the policy that name the address; 0 when none does. */
  readonly score: number;
  /** Of the test entries of the zone (RFC 5782 5). */
  readonly canary: ZoneStanding;
  readonly ms: number;
}

/** For a person at a terminal, and a list that is asked for the first time. */
const PATIENCE_MS = 20_000;

/** Waits for the canary of each list too, so that an answer is known to be worth something. */
export async function checkClient(
  ip: IpAddress,
  { options, resolver, health, clock }: DnsblProbe,
): Promise<DnsblAnswer> {
  const deadline = startDeadline(clock, PATIENCE_MS);
  const query = { ip, resolver, health, scope: createLookupScope(deadline.signal) };
  try {
    const asked = groupByZone(options).map(async (zone): Promise<DnsblZoneAnswer> => {
      const before = clock.monotonic();
      const evidence = await queryZone(zone, query);
      const ms = clock.monotonic() - before;
      const canary = await health.proven(zone, deadline.signal);
      const isTold = evidence.status === "listed";
      const scores = isTold ? matchingScores(zone, evidence.answers) : [];
      const score = scores.reduce((sum, one) => sum + one, 0);
      return { ...evidence, label: zone.label, score, canary, ms };
    });
    const zones = await Promise.all(asked);
    const verdict = judgeZones({ client: ip.text, zones }, options);
    return { client: ip.text, zones, verdict };
  } finally {
    deadline.clear();
  }
}
