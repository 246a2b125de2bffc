import { randomFillSync } from "node:crypto";
import type { Clock } from "./clock.ts";

declare const brand: unique symbol;
type Branded<Name> = string & { readonly [brand]: Name };

/** Names one transaction everywhere: reply, header, log, tracking, spool, quarantine. */
export type TransactionId = Branded<"TransactionId">;
/** Names one connection of a client. */
export type SessionId = Branded<"SessionId">;

// Crockford's base 32 without I, L, O, U: can be read out on the telephone.
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_CHARS = 9; // 45 bits of milliseconds: until the year 3084
const RANDOM_CHARS = 9; // 45 bits: an id cannot be guessed from its neighbour

export const ID_PATTERN: RegExp = /^[0-9A-HJKMNP-TV-Z]{18}$/;

export interface Ids {
  transaction(): TransactionId;
  session(): SessionId;
}

/** Asked of the system at once, because each question costs more than the octets do. */
const POOL_OCTETS = 256 * RANDOM_CHARS;

/** Ids of 18 characters that sort by time of birth. */
export function createIds(clock: Clock): Ids {
  const pool = Buffer.allocUnsafeSlow(POOL_OCTETS);
  let used = POOL_OCTETS;
  const random = () => {
    if (used === POOL_OCTETS) {
      randomFillSync(pool);
      used = 0;
    }
    used += RANDOM_CHARS;
    return encode(pool.subarray(used - RANDOM_CHARS, used));
  };
  const next = () => encodeTime(clock.now()) + random();
  return {
    transaction: () => next() as TransactionId,
    session: () => next() as SessionId,
  };
}

/** The id in the form we made it, or null when the text is none. Lower case is accepted. */
export function parseTransactionId(text: string): TransactionId | null {
  const upper = text.trim().toUpperCase();
  return ID_PATTERN.test(upper) ? (upper as TransactionId) : null;
}

/** Milliseconds since the epoch when the id was made; for order, not for a record. */
export function bornAt(id: string): number {
  let ms = 0;
  for (const char of id.slice(0, TIME_CHARS)) ms = ms * 32 + ALPHABET.indexOf(char);
  return ms;
}

function encodeTime(ms: number): string {
  let text = "";
  let rest = ms;
  for (let i = 0; i < TIME_CHARS; i++) {
    text = ALPHABET[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

function encode(octets: Buffer): string {
  let text = "";
  for (let at = 0; at < octets.length; at++) text += ALPHABET[(octets[at] ?? 0) & 31];
  return text;
}
