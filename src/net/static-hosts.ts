import { canonicalName } from "./dns-name.ts";
import { type IpAddress, parseIp, reverseName } from "./ip.ts";
import type { Lookup, RecordType } from "./resolver.ts";

/** `hosts` of the settings: a name and its address or addresses. */
export type StaticHostTable = Readonly<Record<string, string | readonly string[]>>;

export interface StaticHosts {
  /** Null when DNS has to answer. A host known by one family has none of the other. */
  find(name: string, type: RecordType): Lookup<string> | null;
}

/** An address in the settings does not change while we run; callers ask again as often as for DNS. */
const STATIC_TTL_SECONDS = 60;

/** RFC 6761 6.3: never asked of DNS. Its reverse names are, so that a test zone may hold them. */
const LOCALHOST: readonly [string, readonly string[]] = ["localhost", ["127.0.0.1", "::1"]];

/** @throws Error for an address that is none; settings check it before. */
export function createStaticHosts(table: StaticHostTable): StaticHosts {
  const addresses = new Map<string, ReadonlyMap<RecordType, readonly string[]>>();
  const names = new Map<string, string[]>();
  for (const [host, value] of [LOCALHOST, ...Object.entries(table)]) {
    const name = canonicalName(host);
    const ips = (typeof value === "string" ? [value] : value).map((text) => addressOf(host, text));
    addresses.set(name, byFamily(ips));
    if (host === LOCALHOST[0]) continue;
    for (const reverse of ips.map(reverseName))
      names.set(reverse, [...(names.get(reverse) ?? []), name]);
  }
  return {
    find(name, type) {
      const records = type === "PTR" ? names.get(name) : addresses.get(name)?.get(type);
      if (!records) return null;
      if (records.length === 0) return { kind: "none", reason: "nodata" };
      return { kind: "found", records, ttlSeconds: STATIC_TTL_SECONDS };
    },
  };
}

function addressOf(host: string, text: string): IpAddress {
  const ip = parseIp(text);
  if (!ip) throw new Error(`hosts.${host}: expected an address, got ${JSON.stringify(text)}`);
  return ip;
}

function byFamily(ips: readonly IpAddress[]): ReadonlyMap<RecordType, readonly string[]> {
  const texts = (family: 4 | 6) => ips.filter((ip) => ip.family === family).map((ip) => ip.text);
  return new Map([
    ["A", texts(4)],
    ["AAAA", texts(6)],
  ]);
}
