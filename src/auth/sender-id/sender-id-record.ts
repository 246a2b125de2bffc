import { isSpfRecord } from "../spf/spf-record.ts";
import type { RecordChoice } from "../spf/spf-run.ts";

/** Whose domain a check is about: the purported responsible address, or MAIL FROM. */
export type SenderIdScope = "pra" | "mfrom";

/** RFC 4406 3.1: a minor version must be well-formed, and is otherwise ignored. */
const VERSION = /^spf2\.\d+\/([a-z][a-z0-9_.-]*(?:,[a-z][a-z0-9_.-]*)*)(?: |$)/i;

/**
 * RFC 4406 4.4: records of version 2 that name the scope; where there are none, those of version 1
 * when policy lets them speak for it. Several that remain are an error, as with SPF.
 */
export function chooseRecords(scope: SenderIdScope, usesVersion1: boolean): RecordChoice {
  return (texts) => {
    const named = texts.filter((text) => scopesOf(text).includes(scope));
    if (named.length > 0 || !usesVersion1) return named;
    return texts.filter(isSpfRecord);
  };
}

function scopesOf(text: string): readonly string[] {
  const scopes = VERSION.exec(text)?.[1];
  return scopes === undefined ? [] : scopes.toLowerCase().split(",");
}
