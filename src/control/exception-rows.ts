import type { FileException } from "../policy/file-exception.ts";
import type { ShelfEntry } from "../reputation/shelf.ts";
import { toEntry, whomText } from "../stages/access/stored-exception.ts";

interface ExceptionTerms {
  readonly list: "allow" | "block";
  readonly whom: string;
  /** Null: all spam stages, or a block. */
  readonly scope: readonly string[] | null;
  /** False: the sender need not be proven. */
  readonly authenticated: boolean;
  readonly reason: string;
  readonly hits: number;
  readonly lastHit: number | null;
}

/** One that a command made. */
export interface MadeRow extends ExceptionTerms {
  readonly source: "command";
  readonly id: string;
  readonly by: string;
  readonly since: number;
  readonly until: number;
}

/** One that stands in `access.yaml`. */
export interface FileRow extends ExceptionTerms {
  readonly source: "file";
  readonly file: string;
  readonly line: number;
  /** Null: it has no end. */
  readonly until: number | null;
}

/** One exception, as `list` tells it. */
export type ExceptionRow = MadeRow | FileRow;

/** Null for what another version stored and we cannot read. */
export function toMadeRow(stored: ShelfEntry): MadeRow | null {
  const entry = toEntry(stored);
  if (!entry) return null;
  const { key: id, since, until, hits, lastHit } = stored;
  const terms = toTerms(entry);
  return { source: "command", id, ...terms, by: entry.by ?? "", since, until, hits, lastHit };
}

/** `uses`: what is counted of it; undefined: it was of no use yet. */
export function toFileRow(entry: FileException, uses: ShelfEntry | undefined): FileRow {
  const { line, endsAt: until } = entry;
  const { hits = 0, lastHit = null } = uses ?? {};
  const place = { source: "file", file: "access.yaml", line } as const;
  return { ...place, ...toTerms(entry), until, hits, lastHit };
}

function toTerms(entry: Omit<FileException, "fileKey" | "line">) {
  const { list, scope = null, authenticated = true, reason } = entry;
  return { list, whom: whomText(entry), scope, authenticated, reason };
}
