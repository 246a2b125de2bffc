import { createHash } from "node:crypto";
import type { EntryTerms, WrittenSender } from "./sender-entries.ts";

/** Hexadecimal digits: enough for a few thousand entries, short enough to be typed. */
const KEY_CHARS = 10;
const FILE_PREFIX = "access.yaml:";

export interface EntrySubject {
  readonly list: EntryTerms["list"];
  /** One of the two. */
  readonly client?: string | undefined;
  readonly sender?: WrittenSender | undefined;
}

/** One for each list and whom it is about: who adds it again changes it. */
export function exceptionKey({ list, client, sender }: EntrySubject): string {
  const whom = JSON.stringify([list, client ?? null, sender ?? null]).toLowerCase();
  return createHash("sha256").update(whom).digest("hex").slice(0, KEY_CHARS);
}

/** Of an entry of the file, on whatever line it stands. No command makes one like it. */
export function fileEntryKey(entry: EntrySubject): string {
  return FILE_PREFIX + exceptionKey(entry);
}

export function isFileEntryKey(key: string): boolean {
  return key.startsWith(FILE_PREFIX);
}
