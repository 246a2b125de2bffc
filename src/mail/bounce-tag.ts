import { createHmac, timingSafeEqual } from "node:crypto";
import type { KeyRing, SigningKey } from "../base/key-file.ts";
import { type Address, parseMailbox } from "./address.ts";
import { dayOf } from "./day-number.ts";

/** draft-levine-smtp-batv 4: `prvs=KDDDSSSSSS=local`, the key, the day it ends, the signature. */
const TAG = /^prvs=(\d)(\d{3})([0-9a-f]{6})=(.+)$/i;
/** The tag shows the last three digits of a day. */
const DAYS = 1000;

/** `forged` is also a tag whose key is not known any more. */
export type TagState = "valid" | "expired" | "forged";

/** The address with a tag that ends after `validDays`; null when it would be too long. */
export function toTagged(
  address: Address,
  { current }: KeyRing,
  now: number,
  validDays: number,
): Address | null {
  const day = String((dayOf(now) + validDays) % DAYS).padStart(3, "0");
  const signature = sign(current, day, address);
  return parseMailbox(`prvs=${current.number}${day}${signature}=${address.spoken}`);
}

/** The address inside a tagged one; null when it bears no tag. */
export function withoutTag(address: Address): Address | null {
  const local = TAG.exec(address.localPart)?.[4];
  return local === undefined
    ? null
    : parseMailbox(local + address.spoken.slice(address.localPart.length));
}

/** Null when there is no tag to check. */
export function checkTag(
  address: Address,
  ring: KeyRing,
  now: number,
  validDays: number,
): TagState | null {
  const [, number, day = "", said = ""] = TAG.exec(address.localPart) ?? [];
  const bare = withoutTag(address);
  if (bare === null) return null;
  const key = ring.all.find((one) => one.number === Number(number));
  if (!key || !isSame(sign(key, day, bare), said.toLowerCase())) return "forged";
  const left = (Number(day) - (dayOf(now) % DAYS) + DAYS) % DAYS;
  return left <= validDays ? "valid" : "expired";
}

/** In lower case: some servers change the case of a local part, and a bounce must find home. */
function sign({ number, secret }: SigningKey, day: string, { localPart, domain }: Address): string {
  const text = `prvs\0${number}${day}\0${localPart.toLowerCase()}@${domain}`;
  return createHmac("sha256", secret).update(text).digest("hex").slice(0, 6);
}

function isSame(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
