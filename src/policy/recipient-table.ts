import { isUtf8 } from "node:buffer";
import { parseMailbox } from "../mail/address.ts";
import { parseDomainName } from "../mail/domain-name.ts";
import { show } from "./check-shape.ts";
import { createPacer } from "./pacer.ts";
import type { Report } from "./source.ts";

/** A million addresses. */
export const MAX_RECIPIENT_FILE_BYTES: number = 32 * 1024 * 1024;

/** The rest of a file that is wrong as a whole is counted, not listed. */
const MAX_LINE_PROBLEMS = 20;

/** About 5 ms of work. */
const LINES_PER_TURN = 2000;

/** No local part: a NUL is never part of an address. */
const EVERYONE = "\0everyone";

/** Who is known, by domain. Each look-up costs the same however many there are. */
export interface RecipientTable {
  has(localPart: string, domain: string): boolean;
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
      const parsed = parseEntry(entry);
      if (!parsed) return `expected an address or @domain, got ${show(entry)}`;
      if (!covers(parsed.domain)) return `expected an address of this domain, got ${show(entry)}`;
      const known = byDomain.get(parsed.domain) ?? new Set();
      byDomain.set(parsed.domain, known.add(parsed.key));
      return null;
    },
    has(localPart, domain) {
      const known = byDomain.get(domain);
      return known !== undefined && (known.has(EVERYONE) || known.has(keyOf(localPart)));
    },
    count(covers) {
      let total = 0;
      for (const [domain, known] of byDomain) if (covers(domain)) total += known.size;
      return total;
    },
  };
}

/**
 * Reads one address a line; `#` begins a comment at the start of a line or after a blank. Lets the
 * event loop turn between portions.
 */
export async function readRecipientFile(
  file: string,
  bytes: Buffer,
  covers: (domain: string) => boolean,
  report: Report,
): Promise<RecipientTable> {
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
  return table;
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

function parseEntry(entry: string): { readonly key: string; readonly domain: string } | null {
  if (entry.startsWith("@")) {
    const domain = parseDomainName(entry.slice(1), { utf8: true });
    return domain === null ? null : { key: EVERYONE, domain };
  }
  const address = parseMailbox(entry);
  return address && { key: keyOf(address.localPart), domain: address.domain };
}

/** Case and quoting do not make another mailbox: `"Alice"` is `alice` (RFC 5321 4.1.2). */
function keyOf(localPart: string): string {
  const bare = localPart.startsWith('"')
    ? localPart.slice(1, -1).replace(/\\(.)/g, "$1")
    : localPart;
  return bare.normalize("NFC").toLowerCase();
}
