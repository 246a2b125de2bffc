import { statfs } from "node:fs/promises";
import type { Clock } from "../base/clock.ts";

/** What a file system has, as statfs tells it. */
export interface FreeSpace {
  readonly bavail: number;
  readonly blocks: number;
  readonly bsize: number;
  readonly ffree: number;
  /** 0 where the file system does not count its inodes. */
  readonly files: number;
}

export interface DiskSpaceOptions {
  readonly folder: string;
  readonly minFreePercent: () => number;
  readonly clock: Clock;
  readonly read?: (folder: string) => Promise<FreeSpace>;
}

/** A message may lie in the spool, in the quarantine and in a temporary file at once. */
const COPIES = 3;
/** Each message needs one, and so do the databases' journals. */
const MIN_FREE_INODES = 100;

/** What the disk said holds so long, less what was taken on it since: under load it is asked rarely. */
const READING_HOLDS_MS = 200;

interface Reading {
  readonly at: number;
  readonly space: Promise<FreeSpace>;
  takenBytes: number;
  takenFiles: number;
}

/**
 * Whether a message of so many octets may be taken (behaviour.md section 5). False also when the
 * disk does not say: absence is never space.
 */
export function createDiskSpace(options: DiskSpaceOptions): (bytes: number) => Promise<boolean> {
  const { folder, minFreePercent, clock, read = statfs } = options;
  let last: Reading | null = null;
  const current = (): Reading => {
    const at = clock.monotonic();
    if (last && at - last.at < READING_HOLDS_MS) return last;
    last = { at, space: read(folder), takenBytes: 0, takenFiles: 0 };
    return last;
  };
  return async (bytes) => {
    const reading = current();
    try {
      const { bavail, blocks, bsize, ffree, files } = await reading.space;
      if (files > 0 && ffree - reading.takenFiles < MIN_FREE_INODES) return false;
      const free = bavail * bsize - reading.takenBytes;
      if (free < COPIES * bytes || free * 100 < minFreePercent() * blocks * bsize) return false;
      reading.takenBytes += bytes;
      reading.takenFiles += 1;
      return true;
    } catch {
      if (last === reading) last = null;
      return false;
    }
  };
}

/** Of a file system, in percent; what the system keeps for itself counts as used. Throws. */
export async function readUsedPercent(
  folder: string,
  read: (folder: string) => Promise<FreeSpace> = statfs,
): Promise<number> {
  const { bavail, blocks, ffree, files } = await read(folder);
  const used = blocks > 0 ? 100 - (bavail * 100) / blocks : 100;
  return files > 0 ? Math.max(used, 100 - (ffree * 100) / files) : used;
}
