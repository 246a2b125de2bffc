import { isIPv4, isIPv6 } from "node:net";
import type { Answer } from "dns-packet";
import ipaddr from "ipaddr.js";
import type { DnsMessage, DnsQuestion } from "./dns-message.ts";
import { canonicalName } from "./dns-name.ts";
import type { Lookup, RecordData, RecordType } from "./resolver.ts";

/** What an answer says, and for how long it may be believed. */
export interface ReadAnswer<T> {
  readonly lookup: Lookup<T>;
  /** As the zone says it; null: not to be kept. */
  readonly ttlSeconds: number | null;
}

/** Longer chains are loops or a waste of everybody's time; BIND and Unbound stop earlier. */
const MAX_CNAMES = 16;

/** The records asked for, found along the CNAME chain that the answer holds (RFC 1034 3.6.2). */
export function readAnswer<T extends RecordType>(
  message: DnsMessage,
  question: DnsQuestion & { readonly type: T },
): ReadAnswer<RecordData[T]> {
  const { rcode } = message;
  if (rcode !== "NOERROR" && rcode !== "NXDOMAIN") return temporary(`the server said ${rcode}`);
  const isAlias = question.type === "CNAME";
  const chain = followCnames(isAlias ? [] : message.answers, question.name);
  if (!chain) return temporary("a loop of CNAME records, or a chain too long");
  const secure = message.authenticated ? ({ secure: true } as const) : {};
  const records: RecordData[T][] = [];
  let ttl = chain.ttlSeconds;
  for (const answer of message.answers) {
    if (answer.type !== question.type || canonicalName(answer.name) !== chain.name) continue;
    const record = READERS[question.type](answer);
    if (record === null) return temporary(`a broken ${question.type} record`);
    records.push(record);
    ttl = Math.min(ttl, ttlOf(answer));
  }
  if (records.length > 0) {
    const canonical = chain.name === question.name ? {} : { canonical: chain.name };
    const found = { kind: "found", records, ttlSeconds: ttl, ...secure, ...canonical } as const;
    return { lookup: found, ttlSeconds: ttl };
  }
  const reason = rcode === "NXDOMAIN" ? "nxdomain" : "nodata";
  return {
    lookup: { kind: "none", reason, ...secure },
    ttlSeconds: negativeTtl(message.authorities),
  };
}

function temporary(reason: string): ReadAnswer<never> {
  return { lookup: { kind: "temporary", reason }, ttlSeconds: null };
}

interface Chain {
  readonly name: string;
  readonly ttlSeconds: number;
}

function followCnames(answers: readonly Answer[], from: string): Chain | null {
  const targets = new Map<string, { readonly name: string; readonly ttlSeconds: number }>();
  for (const answer of answers) {
    if (answer.type !== "CNAME") continue;
    const link = { name: canonicalName(answer.data), ttlSeconds: ttlOf(answer) };
    targets.set(canonicalName(answer.name), link);
  }
  let chain: Chain = { name: from, ttlSeconds: Number.POSITIVE_INFINITY };
  for (let links = 0; links <= MAX_CNAMES; links++) {
    const next = targets.get(chain.name);
    if (!next) return chain;
    chain = { name: next.name, ttlSeconds: Math.min(chain.ttlSeconds, next.ttlSeconds) };
  }
  return null;
}

type Reader<T> = (answer: Answer) => T | null;

/**
 * dns-packet believes a length that reaches past the end of the message and returns `undefined`
 * octets, so every value is checked.
 */
const READERS: { readonly [T in RecordType]: Reader<RecordData[T]> } = {
  A: (answer) => (answer.type === "A" && isIPv4(answer.data) ? answer.data : null),
  AAAA: (answer) =>
    answer.type === "AAAA" && isIPv6(answer.data) ? ipaddr.parse(answer.data).toString() : null,
  MX(answer) {
    if (answer.type !== "MX") return null;
    const { preference = 0, exchange } = answer.data;
    return { preference, exchange: rootIsEmpty(exchange) };
  },
  TXT(answer) {
    if (answer.type !== "TXT" || !Array.isArray(answer.data)) return null;
    return answer.data.map(toOctets).join("");
  },
  PTR: (answer) => (answer.type === "PTR" ? rootIsEmpty(answer.data) : null),
  TLSA(answer) {
    if (answer.type !== "TLSA") return null;
    const { usage, selector, matchingType, certificate } = answer.data;
    // A length below its three numbers leaves nothing: RFC 6698 2.1 has no empty data.
    if (!Buffer.isBuffer(certificate) || certificate.length === 0) return null;
    return { usage, selector, matchingType, data: certificate.toString("hex") };
  },
  CNAME: (answer) => (answer.type === "CNAME" ? rootIsEmpty(answer.data) : null),
};

function toOctets(part: string | Buffer): string {
  return typeof part === "string" ? part : part.toString("latin1");
}

function rootIsEmpty(name: string): string {
  return name.endsWith(".") ? name.slice(0, -1) : name;
}

function ttlOf(answer: Answer): number {
  return "ttl" in answer ? (answer.ttl ?? 0) : 0;
}

/** RFC 2308 5: the lesser of the SOA's TTL and its minimum; without an SOA it is not cached. */
function negativeTtl(authorities: readonly Answer[]): number | null {
  for (const record of authorities)
    if (record.type === "SOA") return Math.min(ttlOf(record), record.data.minimum ?? 0);
  return null;
}
