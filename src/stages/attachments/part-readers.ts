import type { Clock } from "../../base/clock.ts";
import type { ArchiveLister } from "../../mail/archive.ts";
import { createArchiveLister } from "../../mail/archive-lister.ts";
import type { ScratchSpace } from "../../mail/scratch.ts";
import { createTypeSniffer, type TypeSniffer } from "../../mail/true-type.ts";

/** What looks at the octets of one part: made anew for each. */
export interface PartReaders {
  sniffer(): TypeSniffer;
  /** `milliseconds`: what it may spend on expanding. */
  lister(milliseconds: number): ArchiveLister;
  readonly clock: Clock;
}

export interface PartReadersOptions {
  /** Where an archive waits for its end, which says what is in it. */
  readonly scratch: ScratchSpace;
  readonly clock: Clock;
}

export function createPartReaders(options: PartReadersOptions): PartReaders {
  return {
    sniffer: createTypeSniffer,
    lister: (milliseconds) => createArchiveLister({ ...options, limits: { milliseconds } }),
    clock: options.clock,
  };
}
