import { isUtf8 } from "node:buffer";
import { z } from "zod";
import { show } from "./check-shape.ts";
import { createPacer } from "./pacer.ts";
import { parseRecipientEntry, type RecipientKey } from "./recipient-key.ts";
import type { Report } from "./source.ts";

/** A million addresses. */
export const MAX_RECIPIENT_FILE_BYTES: number = 32 * 1024 * 1024;

/** The rest of a file that is wrong as a whole is counted, not listed. */
const MAX_LINE_PROBLEMS = 20;

/** About 5 ms of work. */
const LINES_PER_TURN = 2000;

/** Who is known, by domain. Each look-up costs the same however many there are. */
export interface RecipientTable {
  /** Of a key or of EVERYONE, just so; lookUp knows what else may stand for an address. */
  has(key: RecipientKey, domain: string): boolean;
  /** How many entries the domains that `covers` accepts have. */
  count(covers: (domain: string) => boolean): number;
}

export interface RecipientTableBuilder extends RecipientTable {
  /** Takes `user@domain` or `@domain`; an answer is what was wrong with it. */
  add(entry: string, covers: (domain: string) => boolean): string | null;
}

export function createRecipientTable(): RecipientTableBuilder {
  const byDomain = new Map<string, Set<string>>();
  return {
    add(entry, covers) {
      const parsed = parseRecipientEntry(entry);
      if (!parsed) return `expected an address or @domain, got ${show(entry)}`;
      if (!covers(parsed.domain)) return `expected an address of this domain, got ${show(entry)}`;
      const known = byDomain.get(parsed.domain) ?? new Set();
      byDomain.set(parsed.domain, known.add(parsed.key));
      return null;
    },
    has: (key, domain) => byDomain.get(domain)?.has(key) ?? false,
    count(covers) {
      let total = 0;
      for (const [domain, known] of byDomain) if (covers(domain)) total += known.size;
      return total;
    },
  };
}

/** A file of addresses, and when it was made if it says so. */
export interface RecipientFile extends RecipientTable {
  readonly madeAt: number | null;
}

/** A comment near the top: `# made: 2026-11-25T10:00:00Z`. */
const MADE = /^\ufeff?#[ \t]*made:[ \t]*(\S+)[ \t]*\r?$/m;
const MADE_WITHIN_OCTETS = 1024;

/**
 * Reads one address a line; `#` begins a comment at the start of a line or after a blank. Lets the
 * event loop turn between portions.
 */
export async function readRecipientFile(
  file: string,
  bytes: Buffer,
  covers: (domain: string) => boolean,
  report: Report,
): Promise<RecipientFile> {
  const table = createRecipientTable();
  const pacer = createPacer(LINES_PER_TURN);
  let problems = 0;
  let line = 0;
  for (const text of linesOf(bytes)) {
    line += 1;
    if (pacer.due()) await pacer.rest();
    const entry = text === null ? null : withoutComment(text);
    if (entry === "") continue;
    const fault =
      entry === null ? "expected UTF-8 text, got other bytes" : table.add(entry, covers);
    if (fault === null) continue;
    problems += 1;
    if (problems <= MAX_LINE_PROBLEMS) report({ file, line, col: 1, path: "", message: fault });
  }
  if (problems > MAX_LINE_PROBLEMS) {
    const message = `${problems - MAX_LINE_PROBLEMS} more lines are wrong`;
    report({ file, line, col: 1, path: "", message });
  }
  return { ...table, madeAt: madeAtOf(bytes) };
}

function madeAtOf(bytes: Buffer): number | null {
  const [, time = ""] = MADE.exec(bytes.toString("utf8", 0, MADE_WITHIN_OCTETS)) ?? [];
  return z.iso.datetime({ offset: true }).safeParse(time).success ? Date.parse(time) : null;
}

/** Lines without their ending; null for one that is not UTF-8. */
function* linesOf(bytes: Buffer): Generator<string | null> {
  if (!isUtf8(bytes)) return yield* checkedLinesOf(bytes);
  const text = bytes.toString();
  for (let from = text.startsWith("\ufeff") ? 1 : 0; from < text.length; ) {
    const newline = text.indexOf("\n", from);
    const end = newline < 0 ? text.length : newline;
    yield text.slice(from, end);
    from = end + 1;
  }
}

function* checkedLinesOf(bytes: Buffer): Generator<string | null> {
  for (let from = 0; from < bytes.length; ) {
    const newline = bytes.indexOf(0x0a, from);
    const end = newline < 0 ? bytes.length : newline;
    const line = bytes.subarray(from, end);
    yield isUtf8(line) ? line.toString() : null;
    from = end + 1;
  }
}

function withoutComment(line: string): string {
  const text = line.trim();
  if (text.startsWith("#")) return "";
  // A quoted local part may hold a blank and a # itself.
  return text.startsWith('"') ? text : text.replace(/\s#.*$/, "").trimEnd();
}
