import { canonicalField } from "../dkim/canonical-header.ts";
import type { ArcSet } from "./arc-chain.ts";

/** Of a set, what a seal is made over. */
export interface SealedSet {
  readonly results: ArcSet["results"];
  readonly message: Pick<ArcSet["message"], "field">;
  readonly seal: Pick<ArcSet["seal"], "field" | "signatureAt">;
}

/** RFC 8617 5.1.1: the fields of all sets so far, the last seal without its value. */
export function sealedOctets(wholes: readonly string[], set: SealedSet): Buffer {
  const { name, rawValue } = set.seal.field;
  const { start, end } = set.seal.signatureAt;
  const open = rawValue.slice(0, start) + rawValue.slice(end);
  const last = vouchedFor(set) + canonicalField(name, open, "relaxed");
  return Buffer.from(wholes.join("") + last, "latin1");
}

/** Made once a set: fifty seals over a large header must not cost fifty times the header. */
export function wholeSet(set: SealedSet): string {
  const { name, rawValue } = set.seal.field;
  return `${vouchedFor(set)}${canonicalField(name, rawValue, "relaxed")}\r\n`;
}

function vouchedFor({ results, message }: SealedSet): string {
  return [results, message.field]
    .map(({ name, rawValue }) => `${canonicalField(name, rawValue, "relaxed")}\r\n`)
    .join("");
}
