import { isIPv4, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";

/**
 * An address literal (RFC 5321 4.1.3) in the one form for comparison, `[192.0.2.1]` or
 * `[ipv6:2001:db8::1]`, or null. Other tags are refused. So are leading zeros, which some readers
 * take as octal, and zones, which mean nothing on another host.
 */
export function parseAddressLiteral(text: string): string | null {
  const inner = /^\[([0-9A-Fa-f.:IPVipv]+)\]$/.exec(text)?.[1];
  if (inner === undefined) return null;
  if (isIPv4(inner)) return `[${inner}]`;
  const v6 = /^IPv6:(.+)$/i.exec(inner)?.[1];
  return v6 !== undefined && isIPv6(v6) ? `[ipv6:${ipaddr.parse(v6).toString()}]` : null;
}
