import { canonicalIp, type IpAddress, reverseName } from "../../net/ip.ts";
import type { Lookup, LookupScope, Resolver } from "../../net/resolver.ts";
import { genericReason } from "./generic-name.ts";

/** A name that a PTR record gave. Plain JSON. */
export type ReverseName = {
  readonly name: string;
  /** `confirmed`: it has the client's address. */
  readonly status: "confirmed" | "other" | "none" | "temporary";
  readonly addresses: readonly string[];
  readonly reason: string | null;
  /** Why it looks like one of a whole network's; null: it does not. */
  readonly generic: string | null;
};

/** Plain JSON. */
export type ReverseDnsEvidence = {
  readonly client: string;
  readonly status: "confirmed" | "unconfirmed" | "none" | "temporary";
  /** Why there is no name, or none for now. */
  readonly reason: string | null;
  readonly names: readonly ReverseName[];
  /** PTR records that were not looked at. */
  readonly omitted: number;
};

/** A host has one name, seldom a few. Whoever has hundreds must not spend our queries (A10). */
const MAX_NAMES = 5;
/** As many as evidence keeps of one name. */
const MAX_ADDRESSES = 8;

/**
 * Forward-confirmed reverse DNS (RFC 8601 3, "iprev"): the names of the address, and whether one of
 * them has the address. Anybody may write any name into his own reverse zone, so a name alone proves
 * nothing.
 */
export async function lookUpReverse(
  ip: IpAddress,
  resolver: Resolver,
  scope: LookupScope,
): Promise<ReverseDnsEvidence> {
  const answer = await resolver.lookup(reverseName(ip), "PTR", scope);
  const base = { client: ip.text, names: [], omitted: 0 };
  // A name that nobody may have is no name.
  if (answer.kind === "none" || answer.kind === "refused")
    return { ...base, status: "none", reason: answer.reason };
  if (answer.kind !== "found") return { ...base, status: "temporary", reason: answer.reason };
  const unique = [...new Set(answer.records.map((name) => name.toLowerCase()))];
  const names = await Promise.all(
    unique.slice(0, MAX_NAMES).map((name) => confirm(name, ip, resolver, scope)),
  );
  const omitted = Math.max(0, unique.length - MAX_NAMES);
  return { ...base, status: statusOf(names), reason: null, names, omitted };
}

function statusOf(names: readonly ReverseName[]): ReverseDnsEvidence["status"] {
  if (names.some(({ status }) => status === "confirmed")) return "confirmed";
  return names.some(({ status }) => status === "temporary") ? "temporary" : "unconfirmed";
}

async function confirm(
  name: string,
  ip: IpAddress,
  resolver: Resolver,
  scope: LookupScope,
): Promise<ReverseName> {
  const answer: Lookup<string> = await resolver.lookup(name, ip.family === 4 ? "A" : "AAAA", scope);
  const generic = genericReason(name, ip);
  if (answer.kind !== "found") {
    const isNone = answer.kind === "none" || answer.kind === "refused";
    const status = isNone ? "none" : "temporary";
    return { name, status, addresses: [], reason: answer.reason, generic };
  }
  const isConfirmed = answer.records.some((text) => canonicalIp(text) === ip.text);
  const addresses = answer.records.slice(0, MAX_ADDRESSES);
  const status = isConfirmed ? "confirmed" : "other";
  return { name, status, addresses, reason: null, generic };
}
