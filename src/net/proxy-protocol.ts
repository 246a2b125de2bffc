import { isIPv4, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";
import { parseIp } from "./ip.ts";

// The PROXY protocol of haproxy (proxy-protocol.txt of 2020/03/05, sections 2.1 and 2.2): what a load
// balancer sends before the client's octets. Whoever may send it chooses the address that we judge,
// so what is not exactly of its form is no header (threats.md P8).

/** What the octets so far amount to. */
export type ProxyHeaderStep =
  | { readonly kind: "need-more" }
  | {
      readonly kind: "header";
      /** Null: the proxy speaks for itself (a health check), or does not know whom it speaks for. */
      readonly source: ProxySource | null;
      /** Octets of the header; what is behind them is the client's. */
      readonly used: number;
    }
  | { readonly kind: "invalid" };

export interface ProxySource {
  /** As `canonicalIp` writes it. */
  readonly ip: string;
  readonly port: number;
}

/** Section 2.1: the longest possible line of version 1, CRLF included. */
const MAX_V1_OCTETS = 107;
/**
 * Behind the 16 octets every header of version 2 has: addresses take at most 216, and what follows
 * them (TLS facts, names, ids of cloud providers) is some hundred. The field allows 65535.
 */
const MAX_V2_BODY_OCTETS = 2048;
const V2_HEAD_OCTETS = 16;
/** A header that is longer is invalid as soon as that can be seen. */
export const MAX_PROXY_HEADER_OCTETS: number = V2_HEAD_OCTETS + MAX_V2_BODY_OCTETS;

const V1_START = Buffer.from("PROXY ", "latin1");
const V2_START = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const CR = 0x0d;

const NEED_MORE: ProxyHeaderStep = { kind: "need-more" };
const INVALID: ProxyHeaderStep = { kind: "invalid" };

/**
 * Looks at everything that has arrived so far; to be called again with more while it needs more. An
 * answer other than that never changes, however much follows.
 */
export function parseProxyHeader(octets: Buffer): ProxyHeaderStep {
  if (mayBegin(octets, V2_START)) return parseV2(octets);
  if (mayBegin(octets, V1_START)) return parseV1(octets);
  return INVALID;
}

function mayBegin(octets: Buffer, start: Buffer): boolean {
  const length = Math.min(octets.length, start.length);
  return octets.subarray(0, length).equals(start.subarray(0, length));
}

function parseV1(octets: Buffer): ProxyHeaderStep {
  const line = octets.subarray(0, MAX_V1_OCTETS);
  const cr = line.indexOf(CR);
  // The CR must be followed by LF within the limit; a LF alone ends nothing.
  if (cr < 0 || cr + 1 === line.length) return line.length < MAX_V1_OCTETS ? NEED_MORE : INVALID;
  const used = cr + 2;
  const text = line.toString("latin1", 0, used);
  const match = V1_LINE.exec(text);
  if (!match) return INVALID;
  const [, family, source = "", destination = "", sourcePort = "", destinationPort = ""] = match;
  if (family === undefined) return { kind: "header", source: null, used };
  const isAddress = family === "4" ? isIPv4 : isIPv6;
  const ip = isAddress(source) && isAddress(destination) ? parseIp(source) : null;
  const isPort = Number(sourcePort) <= 65535 && Number(destinationPort) <= 65535;
  if (ip === null || !isPort) return INVALID;
  return { kind: "header", source: { ip: ip.text, port: Number(sourcePort) }, used };
}

/**
 * One blank between fields, ports without leading zeros, addresses judged afterwards. What stands
 * behind UNKNOWN is to be ignored.
 */
const V1_LINE =
  /^PROXY (?:UNKNOWN(?: [\x20-\x7e]*)?|TCP([46]) ([\dA-Fa-f:.]+) ([\dA-Fa-f:.]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4}))\r\n$/;

const LOCAL = 0x20;
const PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;
/** AF_UNSPEC and AF_UNIX name no client that could be judged. */
const WITHOUT_IP: readonly number[] = [0x00, 0x31, 0x32];

function parseV2(octets: Buffer): ProxyHeaderStep {
  // Version, family and length are looked at as soon as they are there: a wrong one waits for nothing.
  const [command, family] = octets.subarray(V2_START.length);
  if (command !== undefined && command !== LOCAL && command !== PROXY) return INVALID;
  if (octets.length < V2_HEAD_OCTETS || family === undefined) return NEED_MORE;
  const bodyOctets = octets.readUInt16BE(V2_HEAD_OCTETS - 2);
  const used = V2_HEAD_OCTETS + bodyOctets;
  if (used > MAX_PROXY_HEADER_OCTETS) return INVALID;
  const isLocal = command === LOCAL || WITHOUT_IP.includes(family);
  const ipOctets = family === TCP4 ? 4 : family === TCP6 ? 16 : null;
  if (!isLocal && (ipOctets === null || bodyOctets < 2 * ipOctets + 4)) return INVALID;
  if (octets.length < used) return NEED_MORE;
  if (isLocal || ipOctets === null) return { kind: "header", source: null, used };
  const body = octets.subarray(V2_HEAD_OCTETS, used);
  const port = body.readUInt16BE(2 * ipOctets);
  return { kind: "header", source: { ip: textOf(body.subarray(0, ipOctets)), port }, used };
}

function textOf(octets: Buffer): string {
  const address = ipaddr.fromByteArray([...octets]);
  const isMapped = address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress();
  return (isMapped ? address.toIPv4Address() : address).toString();
}
