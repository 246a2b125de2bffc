import { isWithin } from "../../mail/domain-name.ts";
import { canonicalName } from "../../net/dns-name.ts";
import { type IpAddress, isInside, parseIp, sharesPrefix } from "../../net/ip.ts";
import type { Lookup } from "../../net/resolver.ts";
import { expandDomain, type MacroPlace } from "./expand-macro.ts";
import type { MacroString } from "./macro-string.ts";
import type { DualCidr, Mechanism } from "./spf-record.ts";
import { permerror, type SpfFault, unavailable } from "./spf-run.ts";
import { isValidated, reverseNames } from "./validated-names.ts";

/** RFC 7208 4.6.4: more exchanges than these make the record invalid. */
const MAX_MX_NAMES = 10;

/** What the mechanisms ask of whoever evaluates records. */
export interface Matching extends MacroPlace {
  /** The check of another domain, for include: true when it passes. */
  includes(domain: string): Promise<boolean | SpfFault>;
}

/** Whether the client matches (RFC 7208 5). Look-ups count against the limits of the run. */
export async function matchMechanism(
  mechanism: Mechanism,
  place: Matching,
): Promise<boolean | SpfFault> {
  const { run } = place;
  if (mechanism.kind === "all") return true;
  if (mechanism.kind === "network") return isInside(run.subject.ip, mechanism.network);
  const tooMany = run.countTerm();
  if (tooMany) return tooMany;
  const target = await targetOf(mechanism.target, place);
  if (typeof target === "object") return target;
  switch (mechanism.kind) {
    case "include":
      return place.includes(target);
    case "exists":
      return matchExists(target, place);
    case "ptr":
      return matchPtr(target, place);
    case "a":
      return matchAddresses(target, mechanism.bits, place);
    case "mx":
      return matchMx(target, mechanism.bits, place);
  }
}

async function targetOf(target: MacroString | null, place: MacroPlace): Promise<string | SpfFault> {
  return target ? expandDomain(target, place) : place.domain;
}

/** RFC 7208 5.7: an A record, also for a client that speaks IPv6. */
async function matchExists(target: string, { run, term }: MacroPlace) {
  const answer = await run.lookup(term, target, "A");
  return run.judgeAnswer(answer) ?? answer.kind === "found";
}

async function matchAddresses(target: string, bits: DualCidr, { run, term }: MacroPlace) {
  const { ip } = run.subject;
  const answer = await run.lookup(term, target, ip.family === 4 ? "A" : "AAAA");
  return run.judgeAnswer(answer) ?? holdsClient(answer, ip, bits);
}

/**
 * RFC 7208 5.4. Only the look-up of the exchanges may be void: a host without AAAA is no mistake of
 * the record, and would otherwise cost every client that speaks IPv6.
 */
async function matchMx(target: string, bits: DualCidr, { run, term }: MacroPlace) {
  const answer = await run.lookup(term, target, "MX");
  const fault = run.judgeAnswer(answer);
  if (fault) return fault;
  if (answer.kind !== "found") return false;
  if (answer.records.length > MAX_MX_NAMES) return permerror(`more than ${MAX_MX_NAMES} MX names`);
  const { ip } = run.subject;
  for (const { exchange } of answer.records) {
    if (exchange === "") continue;
    const addresses = await run.lookup(term, exchange, ip.family === 4 ? "A" : "AAAA");
    const missing = unavailable(addresses);
    if (missing) return missing;
    if (holdsClient(addresses, ip, bits)) return true;
  }
  return false;
}

/** RFC 7208 5.5: DNS errors do not match, they are no errors of the check. */
async function matchPtr(target: string, { run, term }: MacroPlace): Promise<boolean | SpfFault> {
  const answer = await reverseNames(run, term);
  if (answer.kind === "temporary") return run.isOver() ?? false;
  const fault = run.judgeAnswer(answer);
  if (fault) return fault;
  const domain = canonicalName(target);
  const names = answer.kind === "found" ? answer.records : [];
  for (const name of names.filter((candidate) => isWithin(candidate, domain))) {
    const valid = await isValidated(run, term, name);
    if (valid !== false) return valid;
  }
  return false;
}

function holdsClient(answer: Lookup<string>, ip: IpAddress, bits: DualCidr): boolean {
  if (answer.kind !== "found") return false;
  return answer.records.some((text) => {
    const address = parseIp(text);
    if (address?.family !== ip.family) return false;
    return sharesPrefix(address.octets, ip.octets, ip.family === 4 ? bits.v4 : bits.v6);
  });
}
