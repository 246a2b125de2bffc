import { createHash } from "node:crypto";
import { parseIp, prefixKey } from "../net/ip.ts";
import { SUBJECT_KINDS, type Subject, type SubjectKind } from "./reputation.ts";

/** RFC 1035 2.3.4 bounds a name; what a client makes up beyond that is kept as its hash. */
const MAX_KEY = 255;
/** Octets of the networks that are one subject: /24 and /48, what one provider's customer has. */
const NETWORK = { 4: { octets: 3, bits: 24 }, 6: { octets: 6, bits: 48 } } as const;

/** An IPv4 address, or the /64 of an IPv6 address. */
export function toClientSubject(ip: string): Subject {
  return { kind: "client", key: bounded(prefixKey(ip).replace(/\/32$/, "")) };
}

/** The /24 or /48 around an address; null for what is no address. */
export function toNetworkSubject(ip: string): Subject | null {
  const address = parseIp(ip);
  if (!address) return null;
  const { octets, bits } = NETWORK[address.family];
  const kept = address.octets.slice(0, octets);
  const text = address.family === 4 ? `${kept.join(".")}.0` : `${toGroups(kept)}::`;
  return { kind: "network", key: `${parseIp(text)?.text ?? text}/${bits}` };
}

/** A name: of HELO, of a reverse domain, of an authenticated domain. Case does not tell names apart. */
export function toNameSubject(kind: "helo" | "reverse-domain" | "domain", name: string): Subject {
  return { kind, key: bounded(name.toLowerCase().replace(/\.$/, "")) };
}

/** `client:192.0.2.1`: for people, and for keys of a store. */
export function subjectText({ kind, key }: Subject): string {
  return `${kind}:${key}`;
}

/** The reverse of subjectText; null for what is none. */
export function parseSubject(text: string): Subject | null {
  const colon = text.indexOf(":");
  const kind = SUBJECT_KINDS.find((one) => one === text.slice(0, colon));
  const key = text.slice(colon + 1);
  if (colon < 0 || !kind || key === "") return null;
  return toSubject(kind, key);
}

function toSubject(kind: SubjectKind, key: string): Subject | null {
  const address = parseIp(key.replace(/\/\d+$/, ""));
  if (kind === "client") return address && toClientSubject(address.text);
  if (kind === "network") return address && toNetworkSubject(address.text);
  return toNameSubject(kind, key);
}

function toGroups(octets: readonly number[]): string {
  const groups: string[] = [];
  for (let i = 0; i < octets.length; i += 2)
    groups.push((((octets[i] ?? 0) << 8) | (octets[i + 1] ?? 0)).toString(16));
  return groups.join(":");
}

function bounded(key: string): string {
  if (key.length <= MAX_KEY) return key;
  return createHash("sha256").update(key).digest("hex");
}
