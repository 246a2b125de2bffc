import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** An address as numbers: 4 or 16 octets. An IPv4-mapped IPv6 address is IPv4. */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly octets: readonly number[];
  /** Dotted quad, or RFC 5952. */
  readonly text: string;
}

/** A range of addresses of one family. */
export interface Cidr {
  readonly family: 4 | 6;
  readonly octets: readonly number[];
  readonly bits: number;
}

/**
 * Strict: no octal, no short forms, no zone index. ipaddr.js alone would read `0177.1` as
 * 127.0.0.1.
 */
export function parseIp(text: string): IpAddress | null {
  if (isIP(text) === 0 || text.includes("%")) return null;
  const parsed = ipaddr.process(text);
  const family = parsed.kind() === "ipv4" ? 4 : 6;
  return { family, octets: parsed.toByteArray(), text: parsed.toString() };
}

/** The one text of an address that is compared, logged and stored; null for what is none. */
export function canonicalIp(text: string): string | null {
  return parseIp(stripZone(text))?.text ?? null;
}

/**
 * `10.0.0.0/8`, `2001:db8::/32` or a single address. Host bits are ignored. An IPv4-mapped range of
 * at least 96 bits is one of IPv4, because that is how its clients are seen.
 */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf("/");
  const address = slash < 0 ? text : text.slice(0, slash);
  if (isIP(address) === 0 || address.includes("%")) return null;
  const parsed = ipaddr.parse(address);
  const octets = parsed.toByteArray();
  const width = octets.length * 8;
  const bits = slash < 0 ? width : parsePrefixLength(text.slice(slash + 1), width);
  if (bits === null) return null;
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress() && bits >= V4_MAPPED_BITS)
    return { family: 4, octets: octets.slice(-4), bits: bits - V4_MAPPED_BITS };
  return { family: width === 32 ? 4 : 6, octets, bits };
}

/** RFC 4291 2.5.5.2: the prefix ::ffff:0:0. */
const V4_MAPPED_BITS = 96;

/** True when the address lies in the range. Another family never does. */
export function isInside(ip: IpAddress | string, range: Cidr): boolean {
  const address = typeof ip === "string" ? parseIp(ip) : ip;
  if (!address || address.family !== range.family) return false;
  return sharesPrefix(address.octets, range.octets, range.bits);
}

/** True when the first `bits` bits are equal. */
export function sharesPrefix(
  left: readonly number[],
  right: readonly number[],
  bits: number,
): boolean {
  for (let i = 0; i * 8 < bits; i++) {
    const mask = bits - i * 8 >= 8 ? 0xff : (0xff << (8 - (bits - i * 8))) & 0xff;
    if (((left[i] ?? 0) & mask) !== ((right[i] ?? 0) & mask)) return false;
  }
  return true;
}

/** Of a network that is not part of the internet (RFC 1918, 4193, 6598), or of this machine. */
export function isInnerIp(ip: IpAddress): boolean {
  return INNER_RANGES.has(ipaddr.parse(ip.text).range());
}

const INNER_RANGES: ReadonlySet<string> = new Set([
  "private",
  "uniqueLocal",
  "carrierGradeNat",
  "loopback",
  "linkLocal",
  "unspecified",
]);

/** One customer of an IPv6 provider has a /64 at least, so limits count the whole of it. */
const V6_CLIENT_OCTETS = 8;

/** What per-client limits count by: `192.0.2.1/32`, `2001:db8::/64`. */
export function prefixKey(ip: string): string {
  const address = parseIp(stripZone(ip));
  if (!address) return ip;
  if (address.family === 4) return `${address.text}/32`;
  const network = address.octets.map((octet, i) => (i < V6_CLIENT_OCTETS ? octet : 0));
  return `${ipaddr.fromByteArray([...network]).toString()}/64`;
}

/** For DNSBLs and reverse names: `4.3.2.1`, or 32 nibbles, lower case, least first. */
export function reversedLabels(address: IpAddress): string {
  return toLabels(address).reverse().join(".");
}

/** Where the PTR records of an address are. */
export function reverseName(address: IpAddress): string {
  return `${reversedLabels(address)}.${address.family === 4 ? "in-addr" : "ip6"}.arpa`;
}

/** The octets in decimal, or the nibbles in hexadecimal, in order. */
export function toLabels(address: IpAddress): string[] {
  if (address.family === 4) return address.octets.map(String);
  return address.octets.flatMap((octet) => [(octet >> 4).toString(16), (octet & 15).toString(16)]);
}

function stripZone(text: string): string {
  const zone = text.indexOf("%");
  return zone < 0 ? text : text.slice(0, zone);
}

/** The length of a prefix, without leading zeros, at most `width`. */
export function parsePrefixLength(text: string, width: number): number | null {
  if (!/^(0|[1-9]\d{0,2})$/.test(text)) return null;
  const bits = Number(text);
  return bits <= width ? bits : null;
}

/** The first three bits of 2000::/3. */
const GIVEN_OUT = 0b001;

/**
 * True for an address that anybody on the internet may have: not private, loopback, link-local,
 * multicast, reserved, nor one that embeds such a one, `::127.0.0.1` too: of IPv6 only 2000::/3 is
 * given out (RFC 4291 2.5.4, and IANA's registry). Whoever lets strangers name a host must not
 * be led to what only we can reach (threats.md W7).
 */
export function isPublicIp(text: string): boolean {
  if (isIP(text) === 0 || text.includes("%")) return false;
  const ip = ipaddr.process(text);
  const [first = 0] = ip.toByteArray();
  return ip.range() === "unicast" && (ip.kind() === "ipv4" || first >> 5 === GIVEN_OUT);
}
