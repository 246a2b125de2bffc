import type { Lookup } from "../net/resolver.ts";

/** What DNS said of TXT records at one name, as it is stored. */
export type TxtAnswer = {
  readonly name: string;
  readonly kind: Lookup<string>["kind"];
  /** The first of those that were looked at, each cut. */
  readonly records: readonly string[];
  readonly reason: string | null;
};

/** A DKIM key of 4096 bits takes 750 characters. */
const MAX_CHARS = 1000;

/** `texts` are those of the records found that are looked at. */
export function toTxtAnswer(
  name: string,
  found: Lookup<string>,
  texts: readonly string[],
  maxRecords: number,
): TxtAnswer {
  const records = texts.slice(0, maxRecords).map((text) => text.slice(0, MAX_CHARS));
  return { name, kind: found.kind, records, reason: found.kind === "found" ? null : found.reason };
}
