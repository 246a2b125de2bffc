import { trimBlanks } from "../../mail/header-block.ts";

/** What a domain owner wants done (RFC 9989 4.7). */
export type DmarcPolicy = "none" | "quarantine" | "reject";

/** A DMARC policy record, defaults filled in. Plain JSON. */
export type DmarcRecord = {
  readonly p: DmarcPolicy;
  /** For subdomains, and for those that do not exist; null: as the next stronger says. */
  readonly sp: DmarcPolicy | null;
  readonly np: DmarcPolicy | null;
  readonly psd: "y" | "n" | "u";
  /** t=y: one step milder than it says. */
  readonly testing: boolean;
  /** True: identifiers must be the very domain. */
  readonly strictDkim: boolean;
  readonly strictSpf: boolean;
};

const VERSION = /^v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/;
/** More than any honest record; a TXT answer may hold 64 KiB. */
const MAX_CHARS = 4096;

/** RFC 9989 4.10: what does not begin with the version tag is another's record. */
export function isDmarcRecord(text: string): boolean {
  return VERSION.test(text);
}

/**
 * Null: a record that cannot be used, as if there were none. A wrong policy with somebody to report
 * to counts as `none` (RFC 9989 4.7), other wrong tags as left out, repeated ones make it ambiguous.
 */
export function parseDmarcRecord(text: string): DmarcRecord | null {
  const tags = readDmarcTags(text);
  const wanted = tags && readPolicies(tags);
  return wanted && { ...wanted, ...readModes(tags) };
}

/** By lower-case name. Null: no record of DMARC, too long, or with a tag twice. */
export function readDmarcTags(text: string): ReadonlyMap<string, string> | null {
  if (!isDmarcRecord(text) || text.length > MAX_CHARS) return null;
  const tags = new Map<string, string>();
  for (const piece of text.split(";")) {
    const match = /^[ \t]*([A-Za-z][A-Za-z0-9_]*)[ \t]*=(.*)$/s.exec(piece);
    if (!match) continue;
    const [, name = "", value = ""] = match;
    const key = name.toLowerCase();
    if (tags.has(key)) return null;
    tags.set(key, trimBlanks(value));
  }
  return tags;
}

function readPolicies(
  tags: ReadonlyMap<string, string>,
): Pick<DmarcRecord, "p" | "sp" | "np"> | null {
  const [p, sp, np] = ["p", "sp", "np"].map((name) => toPolicy(tags.get(name)));
  if (p === "wrong" || sp === "wrong" || np === "wrong")
    return hasReportAddress(tags.get("rua")) ? { p: "none", sp: null, np: null } : null;
  return { p: p ?? "none", sp: sp ?? null, np: np ?? null };
}

function toPolicy(text: string | undefined): DmarcPolicy | "wrong" | null {
  if (text === undefined) return null;
  const lower = text.toLowerCase();
  return lower === "none" || lower === "quarantine" || lower === "reject" ? lower : "wrong";
}

function hasReportAddress(rua: string | undefined): boolean {
  return (rua ?? "").split(",").some((uri) => /^mailto:[^@\s]+@[^@\s]+$/i.test(uri.trim()));
}

function readModes(
  tags: ReadonlyMap<string, string>,
): Pick<DmarcRecord, "psd" | "testing" | "strictDkim" | "strictSpf"> {
  const is = (name: string, wanted: string) => tags.get(name)?.toLowerCase() === wanted;
  return {
    psd: is("psd", "y") ? "y" : is("psd", "n") ? "n" : "u",
    testing: is("t", "y"),
    strictDkim: is("adkim", "s"),
    strictSpf: is("aspf", "s"),
  };
}
