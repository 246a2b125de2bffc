import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { createDueOrder, type DueOrder } from "./due-order.ts";
import type { EntryUnderWay } from "./entry-lease.ts";
import { createFolderSync } from "./folder-sync.ts";
import type { HoldOrder, SpoolItem } from "./spool.ts";
import { createSpoolIo, type SpoolIo } from "./spool-io.ts";
import type { Slot } from "./spool-slot.ts";

export interface SpoolOptions {
  /** Its own: everything in it is taken for an entry. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly io?: SpoolIo;
  /** Whether the disk may take a message of so many octets; see disk-space.ts. Default: it may. */
  readonly hasSpace?: (bytes: number) => Promise<boolean>;
  /** Told of an entry that is held because of its crashes, or by an order that had to wait. */
  readonly onHeld?: (item: SpoolItem, order: HoldOrder) => void;
}

interface SpoolFolders {
  readonly incoming: string;
  readonly due: string;
  readonly active: string;
  readonly held: string;
  readonly corrupt: string;
}

/** What the parts of the spool share. */
export interface SpoolState {
  readonly io: SpoolIo;
  readonly folders: SpoolFolders;
  readonly clock: Clock;
  readonly log: Log;
  readonly hasSpace: (bytes: number) => Promise<boolean>;
  readonly onHeld: (item: SpoolItem, order: HoldOrder) => void;
  /** Those in due/, active/ and held/. */
  readonly entries: Map<string, Slot>;
  /** Of them, those whose files nobody has read. */
  readonly unread: Set<string>;
  /** Of them, those whose files are being read, and when that is done. */
  readonly beingRead: Map<string, Promise<void>>;
  /** Of them, those that an operator works on. */
  readonly taken: Set<string>;
  /** Of them, those that are on their way into active/, and when they have arrived. */
  readonly activating: Map<string, Promise<unknown>>;
  /** Of them, those that are leased. */
  readonly underWay: Map<string, EntryUnderWay>;
  readonly order: DueOrder;
  readonly sync: {
    readonly due: () => Promise<void>;
    readonly active: () => Promise<void>;
    readonly held: () => Promise<void>;
  };
  /** Settled when all files have been read, or never will be. */
  reading: Promise<void>;
  bytes: number;
  corrupt: number;
  closed: boolean;
}

export function createSpoolState(options: SpoolOptions): SpoolState {
  const { folder, clock, log, io = createSpoolIo() } = options;
  const { hasSpace = async () => true, onHeld = () => {} } = options;
  const folders = {
    incoming: join(folder, "incoming"),
    due: join(folder, "due"),
    active: join(folder, "active"),
    held: join(folder, "held"),
    corrupt: join(folder, "corrupt"),
  };
  const entries = new Map<string, Slot>();
  const taken = new Set<string>();
  const unread = new Set<string>();
  const look = (id: string) => (taken.has(id) ? undefined : entries.get(id));
  return {
    io,
    folders,
    clock,
    log,
    hasSpace,
    onHeld,
    entries,
    unread,
    beingRead: new Map(),
    taken,
    activating: new Map(),
    underWay: new Map(),
    order: createDueOrder(look, (id) => void unread.add(id)),
    sync: {
      due: createFolderSync(io, folders.due),
      active: createFolderSync(io, folders.active),
      held: createFolderSync(io, folders.held),
    },
    reading: Promise.resolve(),
    bytes: 0,
    corrupt: 0,
    closed: false,
  };
}
