import { ARCHIVE_LIMITS, type ArchiveLister } from "../../mail/archive.ts";
import { createMimeWalker } from "../../mail/mime-walker.ts";
import type { TypeSniffer } from "../../mail/true-type.ts";
import type { Tap } from "../../pipeline/stage.ts";
import { type AttachmentsEvidence, createEvidenceCollector } from "./attachments-evidence.ts";
import type { PartReaders } from "./part-readers.ts";

interface OpenPart {
  readonly sniffer: TypeSniffer;
  readonly lister: ArchiveLister;
}

/**
 * Walks the MIME tree while the message streams by. Nothing is buffered here; a lister keeps what it
 * needs of an archive, and lets go of it at the end of its part.
 */
export function readAttachments(readers: PartReaders): Tap<AttachmentsEvidence> {
  const collector = createEvidenceCollector();
  const open = new Map<string, OpenPart>();
  const watch = createStopwatch(readers.clock);
  let aborted = false;

  const walker = createMimeWalker({
    async body({ path }, chunk) {
      // An abort may come while a write is under way: what is opened after it would stay open.
      if (aborted || chunk.length === 0) return;
      const part = open.get(path) ?? openPart(readers, watch.millisecondsLeft());
      open.set(path, part);
      part.sniffer.write(chunk);
      await watch.timed(part.lister.write(chunk));
    },
    async close({ path }) {
      const part = open.get(path);
      if (!part || aborted) return;
      open.delete(path);
      const archive = await watch.timed(part.lister.end());
      collector.add(path, { trueTypes: await part.sniffer.end(), archive });
    },
  });

  return {
    write: (chunk) => walker.write(chunk),
    async end() {
      const { parts, notes } = await walker.end();
      return collector.finish(parts, notes);
    },
    abort() {
      aborted = true;
      // Failing to give back a temporary file harms nobody more than the failure that led here.
      for (const { lister } of open.values()) lister.abort().catch(() => undefined);
      open.clear();
    },
  };
}

function openPart(readers: PartReaders, milliseconds: number): OpenPart {
  return { sniffer: readers.sniffer(), lister: readers.lister(milliseconds) };
}

/** The time of all archives of a message together: a thousand may not take a thousand times it. */
function createStopwatch(clock: PartReaders["clock"]) {
  let left: number = ARCHIVE_LIMITS.milliseconds;
  return {
    millisecondsLeft: () => Math.max(0, left),
    async timed<T>(work: Promise<T>): Promise<T> {
      const started = clock.monotonic();
      try {
        return await work;
      } finally {
        left -= clock.monotonic() - started;
      }
    },
  };
}
