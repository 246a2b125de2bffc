import { statfs } from "node:fs/promises";

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
  readonly read?: (folder: string) => Promise<FreeSpace>;
}

/** A message may lie in the spool, in the quarantine and in a temporary file at once. */
const COPIES = 3;
/** Each message needs one, and so do the databases' journals. */
const MIN_FREE_INODES = 100;

/**
 * Whether a message of so many octets may be taken (behaviour.md section 5). False also when the
 * disk does not say: absence is never space.
 */
export function createDiskSpace(options: DiskSpaceOptions): (bytes: number) => Promise<boolean> {
  const { folder, minFreePercent, read = statfs } = options;
  return async (bytes) => {
    try {
      const { bavail, blocks, bsize, ffree, files } = await read(folder);
      if (files > 0 && ffree < MIN_FREE_INODES) return false;
      return bavail * bsize >= COPIES * bytes && bavail * 100 >= minFreePercent() * blocks;
    } catch {
      return false;
    }
  };
}
