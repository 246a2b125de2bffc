import type { ArchiveEntry, ArchiveListing } from "../../mail/archive.ts";
import type { MimeNote, MimePart } from "../../mail/mime-part.ts";

/** What the stage stores: everything that a name, a type or a note could be judged by. */
export type AttachmentsEvidence = {
  /** In document order. */
  readonly parts: readonly AttachmentPart[];
  /** Notes of the message as a whole. */
  readonly notes: readonly MimeNote[];
  /** Parts, or entries of archives, that did not fit in. What was left out was not judged. */
  readonly omitted: number;
};

export type AttachmentPart = Pick<
  MimePart,
  | "path"
  | "declaredTypes"
  | "encodings"
  | "disposition"
  | "fileNames"
  | "isContainer"
  | "decodedBytes"
  | "sha256"
  | "notes"
> & {
  /** What the octets are; empty when they are nothing in particular. */
  readonly trueTypes: readonly string[];
  readonly archive: ArchiveEvidence | null;
};

type Plain<T> = { readonly [K in keyof T]: T[K] };

export type ArchiveEvidence = Omit<Plain<ArchiveListing>, "entries"> & {
  readonly entries: readonly Plain<ArchiveEntry>[];
};

/**
 * Evidence is stored for every message. A hostile one has a thousand parts with sixteen long names
 * each, and archives of a thousand entries; an honest one needs a few hundred characters.
 */
const EVIDENCE_CHARS_MAX = 512 * 1024;
/** behaviour.md section 5: archive files, here of all archives of a message together. */
const ENTRIES_MAX = 1000;

/** Collects parts until the evidence is full; what is left out is counted. */
export interface EvidenceCollector {
  /** What was seen inside a part while it streamed by; the part itself comes with `finish`. */
  add(path: string, seen: Seen): void;
  finish(parts: readonly MimePart[], notes: readonly MimeNote[]): AttachmentsEvidence;
}

export interface Seen {
  readonly trueTypes: readonly string[];
  readonly archive: ArchiveListing | null;
}

export function createEvidenceCollector(): EvidenceCollector {
  const seen = new Map<string, Pick<AttachmentPart, "trueTypes" | "archive">>();
  let room = EVIDENCE_CHARS_MAX;
  let entriesLeft = ENTRIES_MAX;
  let omitted = 0;

  function trim(archive: ArchiveListing): ArchiveEvidence {
    const entries: Plain<ArchiveEntry>[] = [];
    for (const entry of archive.entries.slice(0, entriesLeft)) {
      const kept = { ...entry };
      const chars = JSON.stringify(kept).length;
      if (chars > room) break;
      room -= chars;
      entries.push(kept);
    }
    entriesLeft -= entries.length;
    omitted += archive.entries.length - entries.length;
    return { kind: archive.kind, notes: archive.notes, entries };
  }

  return {
    add(path, { trueTypes, archive }) {
      seen.set(path, { trueTypes, archive: archive && trim(archive) });
    },
    finish(parts, notes) {
      const kept: AttachmentPart[] = [];
      for (const part of parts) {
        const known = seen.get(part.path) ?? { trueTypes: [], archive: null };
        const own = { ...toStored(part), ...known, archive: null };
        const chars = JSON.stringify(own).length;
        if (chars > room) {
          omitted++;
          continue;
        }
        room -= chars;
        kept.push({ ...own, archive: known.archive });
      }
      return { parts: kept, notes, omitted };
    },
  };
}

function toStored(part: MimePart): Omit<AttachmentPart, "trueTypes" | "archive"> {
  const { depth: _depth, ...stored } = part;
  return stored;
}
