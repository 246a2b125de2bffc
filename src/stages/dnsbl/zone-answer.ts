import { isInside, parseCidr } from "../../net/ip.ts";
import type { Lookup } from "../../net/resolver.ts";

/** What a zone said about an address, before any filter of policy. */
export type ZoneAnswer =
  | { readonly kind: "listed"; readonly answers: readonly string[] }
  | { readonly kind: "clean" }
  /** The list itself says that it does not answer us. Never a listing. */
  | { readonly kind: "error"; readonly answers: readonly string[]; readonly reason: string }
  /** Not a list any more: a parked domain answers everything with the address of its seller. */
  | { readonly kind: "hijacked"; readonly answers: readonly string[]; readonly reason: string }
  | { readonly kind: "temporary"; readonly reason: string };

const LOOPBACK = parseCidr("127.0.0.0/8");
/** Refusals of a list: a query limit, an open resolver, a mistyped zone. */
const REFUSALS = parseCidr("127.255.255.0/24");
/** As many answers as evidence keeps; lists give a handful. */
const MAX_ANSWERS = 16;

/** RFC 5782 2.1: a listing is an address in 127.0.0.0/8; one bad answer spoils all of them. */
export function readZoneAnswer(lookup: Lookup<string>): ZoneAnswer {
  if (lookup.kind === "none") return { kind: "clean" };
  if (lookup.kind !== "found") return { kind: "temporary", reason: lookup.reason };
  const answers = lookup.records.slice(0, MAX_ANSWERS);
  const outside = lookup.records.find((answer) => !LOOPBACK || !isInside(answer, LOOPBACK));
  if (outside) return { kind: "hijacked", answers, reason: `answers ${outside}, outside 127/8` };
  const refusal = lookup.records.find((answer) => REFUSALS && isInside(answer, REFUSALS));
  if (refusal) return { kind: "error", answers, reason: `the list refuses us with ${refusal}` };
  return { kind: "listed", answers };
}
