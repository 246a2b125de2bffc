import type { ArchiveEntry, ArchiveKind, ArchiveListing, ArchiveNote } from "./archive.ts";
import { fileNameReadings } from "./file-name.ts";

/** The list is stored as evidence with every message: names of hostile length must not fill it. */
const NAME_CHARS_TOTAL = 256 * 1024;

/** An entry as a format's reader meets it. */
export interface FoundEntry {
  /** Names as stored, with their folders. */
  readonly rawNames: readonly string[];
  readonly isFolder: boolean;
  readonly isEncrypted: boolean;
  readonly bytes: number | null;
}

export interface EntryList {
  /** False when the list is full: the reader may stop. */
  add(entry: FoundEntry): boolean;
  note(note: ArchiveNote): void;
  isEmpty(): boolean;
  toListing(kind: ArchiveKind): ArchiveListing;
}

export function createEntryList(maxEntries: number): EntryList {
  const entries: ArchiveEntry[] = [];
  const notes = new Set<ArchiveNote>();
  let nameChars = 0;
  return {
    add({ rawNames, ...rest }) {
      if (entries.length >= maxEntries || nameChars >= NAME_CHARS_TOTAL) {
        notes.add("limit-entries");
        return false;
      }
      if (rawNames.some(leavesFolder)) notes.add("path-traversal");
      const names = [...new Set(rawNames.flatMap((name) => fileNameReadings(name)))];
      nameChars += names.reduce((sum, name) => sum + name.length, 0);
      entries.push({ names, ...rest });
      return true;
    },
    note: (note) => void notes.add(note),
    isEmpty: () => entries.length === 0,
    toListing: (kind) => ({ kind, entries: [...entries], notes: [...notes] }),
  };
}

/** UTF-8 where it is, else one character an octet: extensions are ASCII in every code page. */
export function decodeName(octets: Buffer): string {
  const text = octets.toString("utf8");
  return text.includes("\ufffd") ? octets.toString("latin1") : text;
}

/** Up to the first NUL, as C programs read a field. */
export function decodeField(octets: Buffer): string {
  const end = octets.indexOf(0);
  return decodeName(end < 0 ? octets : octets.subarray(0, end));
}

/** Absolute, with a drive, or upward: written by a careless reader it lands somewhere else. */
function leavesFolder(rawName: string): boolean {
  return /^(?:[/\\]|[a-z]:)|(?:^|[/\\])\.\.(?:[/\\]|$)/i.test(rawName);
}
