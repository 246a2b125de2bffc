import type { LookupScope, Resolver, TlsaRecord } from "../../net/resolver.ts";
import { toUsableRecords } from "../../smtp/dane-records.ts";

/** What DNSSEC says about the TLS of an MX host (RFC 7672 2.2). */
export type DaneFinding =
  /** It says nothing: the next policy counts. */
  | { readonly kind: "none" }
  | {
      readonly kind: "records";
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

/**
 * A host whose addresses are not secure is not asked for TLSA records: zones without DNSSEC often
 * stand on servers that cannot answer for them (RFC 7672 2.2.2). The name is the one in the MX
 * record; an alias is not followed to TLSA records of another name.
 */
export async function findDane(resolver: Resolver, question: DaneQuestion): Promise<DaneFinding> {
  const { domain, host, port, hasMx, scope } = question;
  const [mx, ...addresses] = await Promise.all([
    hasMx ? resolver.lookup(domain, "MX", scope) : null,
    resolver.lookup(host, "A", scope),
    resolver.lookup(host, "AAAA", scope),
  ]);
  const found = addresses.filter(({ kind }) => kind === "found");
  if (found.length === 0) {
    const failed = addresses.find(({ kind }) => kind !== "none");
    return failed ? unknown(`the addresses of ${host}`, failed) : { kind: "none" };
  }
  if (!found.every(isSecure)) return { kind: "none" };
  // Forgotten by the cache since the host was found by it, and now it cannot be asked.
  if (mx && mx.kind !== "found" && mx.kind !== "none") return unknown(`the MX of ${domain}`, mx);
  const tlsa = await resolver.lookup(`_${port}._tcp.${host}`, "TLSA", scope);
  if (tlsa.kind === "none") return { kind: "none" };
  if (tlsa.kind !== "found") return unknown(`the TLSA records of ${host}`, tlsa);
  if (!isSecure(tlsa)) return { kind: "none" };
  const { records: all } = tlsa;
  const isEndToEnd = mx === null ? domain === host : isSecure(mx);
  return { kind: "records", all, usable: toUsableRecords(all), isEndToEnd };
}

function isSecure(answer: object): boolean {
  return "secure" in answer && answer.secure === true;
}

function unknown(what: string, answer: object): DaneFinding {
  const reason = "reason" in answer ? String(answer.reason) : "no answer";
  return { kind: "unknown", reason: `${what}: ${reason}` };
}
