import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { createDueQueue, type DueQueue } from "./due-queue.ts";
import type { Entry } from "./entry-format.ts";
import { createFolderSync } from "./folder-sync.ts";
import { createSpoolIo, type SpoolIo } from "./spool-io.ts";

export interface SpoolOptions {
  /** Its own: everything in it is taken for an entry. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly io?: SpoolIo;
  /** Whether the disk may take a message of so many octets; see disk-space.ts. Default: it may. */
  readonly hasSpace?: (bytes: number) => Promise<boolean>;
}

interface SpoolFolders {
  readonly incoming: string;
  readonly due: string;
  readonly active: string;
  readonly corrupt: string;
}

/** What the parts of the spool share. Entries are those in due/ and active/. */
export interface SpoolState {
  readonly io: SpoolIo;
  readonly folders: SpoolFolders;
  readonly clock: Clock;
  readonly log: Log;
  readonly hasSpace: (bytes: number) => Promise<boolean>;
  readonly entries: Map<string, Entry>;
  readonly active: Set<string>;
  readonly queue: DueQueue;
  readonly syncDue: () => Promise<void>;
  readonly syncActive: () => Promise<void>;
  bytes: number;
  corrupt: number;
}

export function createSpoolState(options: SpoolOptions): SpoolState {
  const { folder, clock, log, io = createSpoolIo(), hasSpace = async () => true } = options;
  const folders = {
    incoming: join(folder, "incoming"),
    due: join(folder, "due"),
    active: join(folder, "active"),
    corrupt: join(folder, "corrupt"),
  };
  return {
    io,
    folders,
    clock,
    log,
    hasSpace,
    entries: new Map(),
    active: new Set(),
    queue: createDueQueue(),
    syncDue: createFolderSync(io, folders.due),
    syncActive: createFolderSync(io, folders.active),
    bytes: 0,
    corrupt: 0,
  };
}
