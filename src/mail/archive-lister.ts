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

/** Decoders give a line at a time; looking at each alone costs a hundred times as much. */
const GATHER_BYTES = 16 * 1024;

export interface ArchiveListerOptions {
  readonly scratch: ScratchSpace;
  readonly clock: Clock;
  readonly limits?: Partial<ExpandLimits & { readonly entries: number }>;
  /** Smaller chunks are gathered to this size before they are looked at. */
  readonly gatherBytes?: number;
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
  const gather = gatherTo(options.gatherBytes ?? GATHER_BYTES, async (octets) => {
    await head.write(octets);
    await zip.write(octets);
  });
  return {
    write: gather.write,
    async end() {
      try {
        await gather.flush();
        const kind = await head.end();
        return toListing(kind, await endZip(zip, list), list);
      } finally {
        head.abort();
        await zip.free();
      }
    },
    async abort() {
      head.abort();
      await zip.free();
    },
  };
}

/** `take` gets octets that are valid until it settles. */
function gatherTo(bytes: number, take: (octets: Buffer) => Promise<void>) {
  let gathered: Buffer = Buffer.alloc(0);
  let filled = 0;
  async function flush(): Promise<void> {
    const octets = gathered.subarray(0, filled);
    filled = 0;
    if (octets.length > 0) await take(octets);
  }
  return {
    flush,
    async write(chunk: Buffer): Promise<void> {
      if (filled + chunk.length > bytes) await flush();
      if (chunk.length >= bytes) return take(chunk);
      if (gathered.length === 0) gathered = Buffer.alloc(bytes);
      filled += chunk.copy(gathered, filled);
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
