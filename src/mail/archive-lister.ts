import type { Clock } from "../base/clock.ts";
import {
  ARCHIVE_LIMITS,
  type ArchiveKind,
  type ArchiveLister,
  type ArchiveListing,
} from "./archive.ts";
import { createEntryList, type EntryList } from "./archive-entry-list.ts";
import { type ExpandLimits, TarInGzip } from "./archive-gzip-reader.ts";
import { ArchiveHead } from "./archive-head.ts";
import { ZipKeeper } from "./archive-zip-octets.ts";
import { readZip } from "./archive-zip-reader.ts";
import type { ScratchSpace } from "./scratch.ts";

export interface ArchiveListerOptions {
  readonly scratch: ScratchSpace;
  readonly clock: Clock;
  readonly limits?: Partial<ExpandLimits & { readonly entries: number }>;
}

/**
 * Lists one part. Two readers look at it: one for archives that are known by their first octets
 * and read as they stream by, one for a zip, which is found from the end and may stand behind
 * anything. A part that is both (threats.md C8) gives one list of both.
 */
export function createArchiveLister(options: ArchiveListerOptions): ArchiveLister {
  const limits = { ...ARCHIVE_LIMITS, ...options.limits };
  const list = createEntryList(limits.entries);
  const zip = new ZipKeeper(options.scratch);
  const head = new ArchiveHead(list, () => new TarInGzip(options.clock, limits, list));
  return {
    async write(chunk) {
      await head.write(chunk);
      await zip.write(chunk);
    },
    async end() {
      try {
        const kind = await head.end();
        return toListing(kind, await endZip(zip, list), list);
      } finally {
        await zip.free();
      }
    },
    async abort() {
      head.abort();
      await zip.free();
    },
  };
}

async function endZip(zip: ZipKeeper, list: EntryList): Promise<boolean> {
  const octets = await zip.seal();
  return octets !== null && (await readZip(octets, list));
}

function toListing(
  headKind: ArchiveKind | null,
  isZip: boolean,
  list: EntryList,
): ArchiveListing | null {
  const kind = headKind ?? (isZip ? "zip" : null);
  return kind && list.toListing(kind);
}
