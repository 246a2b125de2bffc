import type { ArchiveLister } from "../../mail/archive.ts";

/** Looks at the decoded octets of one part. */
export interface TypeSniffer {
  write(chunk: Buffer): void;
  /** Words for what they are; none for nothing in particular. */
  end(): Promise<readonly string[]>;
}

/** What looks at the octets of one part: made anew for each. */
export interface PartReaders {
  sniffer(): TypeSniffer;
  lister(): ArchiveLister;
}

/** Names and declared types only. */
export function createPartReaders(): PartReaders {
  return {
    sniffer: () => ({ write() {}, end: async () => [] }),
    lister: () => ({ async write() {}, end: async () => null, async abort() {} }),
  };
}
