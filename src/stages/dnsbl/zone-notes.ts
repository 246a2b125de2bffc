import { prefixKey } from "../../net/ip.ts";
import type { ListedZone } from "./dnsbl-options.ts";
import { matchingScores, type ZoneEvidence } from "./query-zones.ts";
import type { BreakerOptions } from "./zone-rate.ts";

/** What clients came and what zones said of them, told to who keeps the rates. Plain JSON. */
export interface ZoneNotes {
  readonly breaker: BreakerOptions;
  readonly clients: readonly ClientNote[];
}

export interface ClientNote {
  readonly network: string;
  /** Of the zones that gave an answer. */
  readonly said: readonly ZoneSaid[];
}

export interface ZoneSaid {
  readonly zone: string;
  readonly label: string;
  /** A list of good clients confirms nothing that a list of bad ones says. */
  readonly kind: "bad" | "good" | "clean";
}

/** A zone whose listings refuse nobody now. */
export interface ZoneDemotion {
  readonly zone: string;
  readonly reason: string;
}

/** What the process that keeps the rates does for the others. */
export interface ZoneOwnerOperations {
  readonly [operation: string]: (input: never) => unknown;
  noteZones(notes: ZoneNotes): Promise<readonly ZoneDemotion[]>;
}

export function toClientNote(
  client: string,
  zones: readonly ListedZone[],
  evidence: readonly ZoneEvidence[],
): ClientNote {
  const said = zones.flatMap((zone): readonly ZoneSaid[] => {
    const { zone: name, label } = zone;
    const own = evidence.find((one) => one.zone === name);
    if (own?.status !== "listed" && own?.status !== "clean") return [];
    const isBad = matchingScores(zone, own.answers).some((score) => score > 0);
    const kind = own.status === "clean" ? "clean" : isBad ? "bad" : "good";
    return [{ zone: name, label, kind }];
  });
  return { network: prefixKey(client), said };
}

/** The evidence with `demoted` where a listing only counts as a score. */
export function markDemoted(
  evidence: readonly ZoneEvidence[],
  demotions: ReadonlyMap<string, string>,
): readonly ZoneEvidence[] {
  return evidence.map((one) => {
    const demoted = one.status === "listed" ? demotions.get(one.zone) : undefined;
    return demoted === undefined ? one : { ...one, demoted };
  });
}
