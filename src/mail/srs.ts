import { createHmac, timingSafeEqual } from "node:crypto";
import type { KeyRing, SigningKey } from "../base/key-file.ts";
import { type Address, parseMailbox } from "./address.ts";
import { dayOf } from "./day-number.ts";

/**
 * The Sender Rewriting Scheme: mail that is sent on bears a sender of ours, so that SPF of the
 * first sender does not speak against us, and its bounces find back through us.
 *
 *   SRS0=HASH=TT=first.example=ann@ours     of ann@first.example
 *   SRS1=HASH=second.example==REST@ours     of SRS0=REST@second.example: straight back to there
 *
 * HASH is keyed, so that nobody can make us send mail to whom he likes (threats.md P5, P9).
 */
export interface SrsRule {
  readonly domain: string;
  readonly maxAgeDays: number;
  readonly hashLength: number;
}

export type SrsReading =
  | { readonly kind: "sender"; readonly address: Address }
  /** Not signed by us, or no longer. */
  | { readonly kind: "forged" }
  | { readonly kind: "stale" };

const SRS0 = /^SRS0=([a-z2-7]+)=([a-z2-7]{2})=([^=]+)=(.+)$/i;
const SRS1 = /^SRS1=([a-z2-7]+)=([^=]+)=([=+-].+)$/i;
/** What other servers make of a sender; the separator is theirs. */
const FOREIGN_SRS0 = /^SRS0([=+-].+)$/i;
/** Without case, as some servers change it on the way. */
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
/** Two characters of the alphabet: a day comes back after 1024. */
const DAYS = 1024;

/** True for an address that only SRS makes, at our domain of it: it must be checked. */
export function isSrsOf({ domain }: SrsRule, address: Address): boolean {
  return address.domain === domain && /^SRS[01][=+-]/i.test(address.localPart);
}

/**
 * The sender of ours for mail that is sent on. Null when the address cannot say it: too long for
 * RFC 5321, quoted, or a literal.
 */
export function toSrs(sender: Address, ring: KeyRing, rule: SrsRule, now: number): Address | null {
  if (sender.localPart.startsWith('"') || sender.domain.startsWith("[")) return null;
  const local = toSrs1(sender, ring, rule) ?? toSrs0(sender, ring, rule, now);
  return parseMailbox(`${local}@${rule.domain}`);
}

/** Back to whoever sent it first. */
export function readSrs(
  { localPart }: Address,
  ring: KeyRing,
  rule: SrsRule,
  now: number,
): SrsReading {
  const [, hash0, day, domain, local] = SRS0.exec(localPart) ?? [];
  if (hash0 !== undefined && day !== undefined && domain !== undefined && local !== undefined) {
    if (!isSigned(ring, rule, hash0, ["srs0", day, domain, local])) return { kind: "forged" };
    if (ageOf(day, now) > rule.maxAgeDays) return { kind: "stale" };
    return toReading(`${local}@${domain}`);
  }
  const [, hash1, first, rest] = SRS1.exec(localPart) ?? [];
  if (hash1 === undefined || first === undefined || rest === undefined) return { kind: "forged" };
  if (!isSigned(ring, rule, hash1, ["srs1", first, rest])) return { kind: "forged" };
  return toReading(`SRS0${rest}@${first}`);
}

function toReading(mailbox: string): SrsReading {
  const address = parseMailbox(mailbox);
  return address ? { kind: "sender", address } : { kind: "forged" };
}

function toSrs0({ localPart, domain }: Address, ring: KeyRing, rule: SrsRule, now: number): string {
  const day = encodeDay(dayOf(now) % DAYS);
  const hash = sign(ring.current, rule, ["srs0", day, domain, localPart]);
  return `SRS0=${hash}=${day}=${domain}=${localPart}`;
}

/** Of a sender that somebody else has rewritten: only his address and ours need room. */
function toSrs1({ localPart, domain }: Address, ring: KeyRing, rule: SrsRule): string | null {
  const again = SRS1.exec(localPart);
  const first = again?.[2] ?? domain;
  const rest = again?.[3] ?? FOREIGN_SRS0.exec(localPart)?.[1];
  if (rest === undefined) return null;
  return `SRS1=${sign(ring.current, rule, ["srs1", first, rest])}=${first}=${rest}`;
}

function encodeDay(day: number): string {
  return ALPHABET.charAt(day >> 5) + ALPHABET.charAt(day & 31);
}

function ageOf(day: string, now: number): number {
  const [high = "", low = ""] = day.toLowerCase();
  const then = ALPHABET.indexOf(high) * 32 + ALPHABET.indexOf(low);
  return ((dayOf(now) % DAYS) - then + DAYS) % DAYS;
}

function isSigned(ring: KeyRing, rule: SrsRule, said: string, parts: readonly string[]): boolean {
  const given = Buffer.from(said.toLowerCase());
  return ring.all.some((key) => {
    const own = Buffer.from(sign(key, rule, parts));
    return own.length === given.length && timingSafeEqual(own, given);
  });
}

function sign({ secret }: SigningKey, { hashLength }: SrsRule, parts: readonly string[]): string {
  const octets = createHmac("sha256", secret).update(parts.join("\0").toLowerCase()).digest();
  let text = "";
  for (const octet of octets) text += ALPHABET.charAt(octet & 31);
  return text.slice(0, hashLength);
}
