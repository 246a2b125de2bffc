import type { Lookup, LookupScope, Resolver, TlsaRecord } from "../../net/resolver.ts";
import { toUsableRecords } from "../../smtp/dane-records.ts";

/** What DNSSEC says about the TLS of an MX host (RFC 7672 2.2). */
export type DaneFinding =
  /** It says nothing: the next policy counts. */
  | { readonly kind: "none" }
  | {
      readonly kind: "records";
      /** Whose they are: the host, or the name that it is an alias of. */
      readonly base: string;
      readonly all: readonly TlsaRecord[];
      /** Empty: TLS is demanded, and nothing can be checked (RFC 7672 2.2). */
      readonly usable: readonly TlsaRecord[];
      /** The way to the host is secure as well, so that it is the domain's own word. */
      readonly isEndToEnd: boolean;
    }
  /** Nobody knows what it says, so the host must not be met (RFC 7672 2.1.2). */
  | { readonly kind: "unknown"; readonly reason: string };

export interface DaneQuestion {
  readonly domain: string;
  readonly host: string;
  readonly port: number;
  readonly hasMx: boolean;
  readonly scope: LookupScope;
}

const NONE: DaneFinding = { kind: "none" };

/**
 * A host whose addresses are not secure is not asked for TLSA records: zones without DNSSEC often
 * stand on servers that cannot answer for them (RFC 7672 2.2.2).
 */
export async function findDane(resolver: Resolver, question: DaneQuestion): Promise<DaneFinding> {
  const { domain, host, hasMx, scope } = question;
  const [mx, ...addresses] = await Promise.all([
    hasMx ? resolver.lookup(domain, "MX", scope) : null,
    resolver.lookup(host, "A", scope),
    resolver.lookup(host, "AAAA", scope),
  ]);
  const found = addresses.filter((answer) => answer.kind === "found");
  if (found.length === 0) {
    const failed = addresses.find(({ kind }) => kind !== "none");
    return failed ? unknown(`the addresses of ${host}`, failed) : NONE;
  }
  const bases = await findBases(resolver, question, found);
  if (!Array.isArray(bases)) return bases;
  // Forgotten by the cache since the host was found by it, and now it cannot be asked.
  if (mx && mx.kind !== "found" && mx.kind !== "none") return unknown(`the MX of ${domain}`, mx);
  const isEndToEnd = mx === null ? domain === host : isSecure(mx);
  return findRecords(resolver, question, bases, isEndToEnd);
}

type Found = Lookup<string> & { readonly kind: "found" };

/**
 * The names that TLSA records may be of, the first to be asked first (RFC 7672 2.2.2). An alias with
 * a secure way to its end has them there, else at itself; one that leaves the signed part of DNS
 * only at itself, if it is signed.
 */
async function findBases(
  resolver: Resolver,
  { host, scope }: DaneQuestion,
  found: readonly Found[],
): Promise<string[] | DaneFinding> {
  const [end] = found.flatMap(({ canonical = [] }) => canonical);
  if (found.every(isSecure)) return end === undefined ? [host] : [end, host];
  if (end === undefined) return NONE;
  const alias = await resolver.lookup(host, "CNAME", scope);
  if (alias.kind === "found") return isSecure(alias) ? [host] : NONE;
  return alias.kind === "none" ? NONE : unknown(`the alias ${host}`, alias);
}

async function findRecords(
  resolver: Resolver,
  { port, scope }: DaneQuestion,
  bases: readonly string[],
  isEndToEnd: boolean,
): Promise<DaneFinding> {
  for (const base of bases) {
    const tlsa = await resolver.lookup(`_${port}._tcp.${base}`, "TLSA", scope);
    // No zone has records of a name that is too long.
    if (tlsa.kind === "none" || tlsa.kind === "refused") continue;
    if (tlsa.kind !== "found") return unknown(`the TLSA records of ${base}`, tlsa);
    if (!isSecure(tlsa)) continue;
    const { records: all } = tlsa;
    return { kind: "records", base, all, usable: toUsableRecords(all), isEndToEnd };
  }
  return NONE;
}

function isSecure(answer: object): boolean {
  return "secure" in answer && answer.secure === true;
}

function unknown(what: string, answer: object): DaneFinding {
  const reason = "reason" in answer ? String(answer.reason) : "no answer";
  return { kind: "unknown", reason: `${what}: ${reason}` };
}
