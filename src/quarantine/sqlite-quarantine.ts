import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { errorText, Unavailable } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { createSqliteWorker, type SqliteWorker } from "../base/sqlite-worker.ts";
import { returnAddress } from "../mail/envelope.ts";
import type { MessageSource } from "../mail/message.ts";
import { createHeldFiles, type HeldFiles, isHoldId, newHoldId } from "./held-files.ts";
import type { Hold, HoldFilter, NewHold, Quarantine } from "./quarantine.ts";
import type {
  FoundHold,
  QuarantineOperations,
  StoredFilter,
  StoredHold,
} from "./quarantine-store.ts";
import { recoverQuarantine } from "./recover-quarantine.ts";

/** The index answers in milliseconds; after this the disk is taken for dead and mail gets 451. */
const INDEX_LIMIT_MS = 30_000;
/** Messages that one bite of the retention removes. */
const EXPIRE_BITE = 200;

export interface SqliteQuarantineOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** False while other processes may be holding mail: what they have not named yet is no stray. */
  readonly recovers?: boolean;
}

interface Stores {
  readonly index: SqliteWorker<QuarantineOperations>;
  readonly files: HeldFiles;
  readonly log: Log;
}

/**
 * Bytes in `messages/`, the index in `quarantine.db`, both below `folder`. The first call brings
 * the two in line; while that fails, every call throws, and the next one tries again.
 */
export function createSqliteQuarantine({
  folder,
  clock,
  log,
  recovers = true,
}: SqliteQuarantineOptions): Quarantine {
  const index = createSqliteWorker<QuarantineOperations>({
    dependency: "quarantine",
    file: join(folder, "quarantine.db"),
    durable: true,
    thread: new URL("./quarantine-thread.ts", import.meta.url),
    clock,
    limitMs: INDEX_LIMIT_MS,
  });
  const stores: Stores = { index, files: createHeldFiles(folder), log };
  let recovered: Promise<void> | null = null;
  const use = async <T>(work: () => Promise<T>): Promise<T> => {
    recovered ??= recovers ? recoverQuarantine({ ...stores, clock }) : stores.files.makeFolders();
    const current = recovered;
    try {
      await current;
    } catch (error) {
      if (recovered === current) recovered = null;
      throw toUnavailable(error);
    }
    return work().catch((error: unknown) => {
      throw toUnavailable(error);
    });
  };
  return {
    hold: (item, source) => use(() => hold(stores, item, source)),
    list: (filter) =>
      use(async () => (await index.call("list", toStoredFilter(filter))).map(toHold)),
    find: (id) => use(() => find(stores, id)),
    open: (id) => use(() => openBytes(stores, id)),
    claimRelease: (id, by) => use(() => index.call("claim", { id, by })),
    unclaimRelease: (id) => use(() => index.call("unclaim", id)),
    delete: (id, by) => use(() => deleteHold(stores, id, by)),
    expire: (now) => use(() => expire(stores, now)),
    stats: () => use(() => index.call("stats", null)),
    close: () => index.close(),
  };
}

async function hold(stores: Stores, item: NewHold, source: MessageSource): Promise<Hold> {
  const { index, files } = stores;
  const id = newHoldId();
  const written = await files.write(id, source);
  try {
    await index.call("insert", toStoredHold(id, item, written));
  } catch (error) {
    // A late insert may still come: calls run in order, so this takes it back.
    await index.call("forget", id).catch(() => {});
    await removeBytes(stores, id);
    throw error;
  }
  return { ...item, id, ...written, state: "held", releasedBy: null };
}

async function find({ index }: Stores, id: string): Promise<Hold | null> {
  const found = await index.call("find", id);
  return found && toHold(found);
}

async function openBytes({ index, files, log }: Stores, id: string): Promise<MessageSource | null> {
  const found = await index.call("find", id);
  if (!found || found.state === "deleted") return null;
  const source = await files.open(found.id, found);
  if (!source) log.error("quarantine-bytes-gone", { holdId: found.id });
  return source;
}

async function deleteHold(stores: Stores, id: string, by: string): Promise<boolean> {
  const isOurs = await stores.index.call("remove", { id, by });
  if (isOurs) await removeBytes(stores, id);
  return isOurs;
}

async function expire(stores: Stores, now: number): Promise<number> {
  let total = 0;
  for (;;) {
    const ids = await stores.index.call("expire", { now, most: EXPIRE_BITE });
    for (const id of ids) await removeBytes(stores, id);
    await stores.index.call("forgetAll", ids);
    total += ids.length;
    if (ids.length < EXPIRE_BITE) return total;
  }
}

/** What stays behind is found without an entry at the next start. */
async function removeBytes({ files, log }: Stores, id: string): Promise<void> {
  if (!isHoldId(id)) return;
  await files.remove(id).catch((error: unknown) => {
    log.warn("quarantine-bytes-left", { holdId: id, error: errorText(error) });
  });
}

function toStoredHold(
  id: string,
  item: NewHold,
  written: { readonly bytes: number; readonly sha256: string },
): StoredHold {
  const { transactionId, cause, heldAt, expiresAt, envelope } = item;
  return {
    id,
    transactionId,
    cause,
    heldAt,
    expiresAt,
    ...written,
    // As people know them, whatever was put in their place.
    sender: (returnAddress(envelope)?.spoken ?? "").toLowerCase(),
    recipients: envelope.recipients
      .flatMap(({ address, origin }) => [...(origin ? [origin.spoken] : []), address.spoken])
      .join("\n")
      .toLowerCase(),
    item: JSON.stringify(item),
  };
}

function toHold({ id, state, endedBy, bytes, sha256, item }: FoundHold): Hold {
  const releasedBy = state === "released" ? endedBy : null;
  return { ...(JSON.parse(item) as NewHold), id, bytes, sha256, state, releasedBy };
}

function toStoredFilter(filter: HoldFilter): StoredFilter {
  return {
    recipient: filter.recipient?.toLowerCase() || null,
    sender: filter.sender?.toLowerCase() || null,
    cause: filter.cause ?? null,
    state: filter.state ?? null,
    transactionId: filter.transactionId ?? null,
    since: filter.sinceMs ?? 0,
    limit: filter.limit,
  };
}

function toUnavailable(error: unknown): Unavailable {
  if (error instanceof Unavailable) return error;
  return new Unavailable("quarantine", errorText(error), { cause: error });
}
