import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { errorText, Unavailable } from "../base/errors.ts";
import type { ProcessChannel } from "../base/process-channel.ts";
import type { MessageSource } from "../mail/message.ts";
import { toEntrySource, writeEntry } from "./entry-file.ts";
import type { Entry } from "./entry-format.ts";
import type { NewSpoolItem, SpoolLease } from "./spool.ts";
import type { LeaseEnd, SpoolIntake, SpoolOwnerOperations } from "./spool-intake.ts";
import { createSpoolIo, type SpoolIo } from "./spool-io.ts";

export interface RemoteSpoolOptions {
  /** The spool's own; the owner has made it. */
  readonly folder: string;
  /** Names this process to the owner. */
  readonly from: string;
  readonly owner: Pick<ProcessChannel<SpoolOwnerOperations>, "call">;
  readonly io?: SpoolIo;
  readonly hasSpace?: (bytes: number) => Promise<boolean>;
}

/**
 * The spool of another process, which owns all of it but the drafts. A draft is written and fsynced
 * here, so that messages do not travel between processes; its rename, the promise, is the owner's.
 * When the owner's answer stays away nothing is promised: at worst it has promised all the same, and
 * the message is delivered although the client sends it again.
 */
export function createRemoteSpool(options: RemoteSpoolOptions): SpoolIntake {
  const { io = createSpoolIo(), hasSpace = async () => true } = options;
  const context = { ...options, io, hasSpace };
  return {
    add: async (item, source) => (await promise(context, item, source, false)).item,
    addLeased: async (item, source) => toLease(context, await promise(context, item, source, true)),
  };
}

type Context = Required<RemoteSpoolOptions>;

async function promise(
  { io, folder, from, owner, hasSpace }: Context,
  item: NewSpoolItem,
  source: MessageSource,
  leased: boolean,
): Promise<Entry> {
  if (!(await hasSpace(source.size))) throw new Unavailable("spool", "too little free disk");
  const id = `${item.transactionId}-${randomBytes(4).toString("hex")}`;
  const draft = toDraftName(id, from);
  const path = join(folder, "incoming", draft);
  try {
    const entry = await writeEntry(io, path, { v: 1, id, bytes: source.size, item }, source);
    await owner.call("adopt", { from, draft, id, leased });
    return entry;
  } catch (error) {
    // Without its draft a late owner can no longer make the promise.
    await io.remove(path).catch(() => {});
    throw toUnavailable(error);
  }
}

function toLease({ io, folder, from, owner }: Context, entry: Entry): SpoolLease {
  const { id } = entry.item;
  const end = async (how: LeaseEnd) => {
    try {
      await owner.call("endLease", { from, id, ...how });
    } catch (error) {
      // Anything else: the lease is no more, and trying again will not bring it back.
      throw error instanceof Unavailable ? toUnavailable(error) : error;
    }
  };
  return {
    item: entry.item,
    source: toEntrySource(io, join(folder, "active", id), entry),
    remove: () => end({ end: "remove" }),
    retry: (left) => end({ end: "retry", ...left }),
  };
}

/** Says whose it is, so that the drafts of a dead process can be told from those of the living. */
function toDraftName(id: string, from: string): string {
  return `${id}.${from}`;
}

export function isDraftOf(name: string, from: string): boolean {
  return name.endsWith(`.${from}`);
}

function toUnavailable(error: unknown): Unavailable {
  if (error instanceof Unavailable && error.dependency === "spool") return error;
  return new Unavailable("spool", errorText(error), { cause: error });
}
