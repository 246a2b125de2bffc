import { join } from "node:path";
import { ID_PATTERN } from "../base/ids.ts";
import { readEntry } from "./entry-file.ts";
import { CorruptEntry, type Entry } from "./entry-format.ts";
import type { RecoverReport } from "./spool.ts";
import type { SpoolState } from "./spool-state.ts";

/** Files read at once: enough to keep the disk busy, far below any limit on open files. */
const READERS = 16;

/**
 * After a start or a crash: drafts were never promised and go, whatever was being delivered is due
 * again, what does not parse is set aside. Everything is due at once, because an outage is the
 * usual reason for a restart. Messages themselves are looked at only when they are leased.
 */
export async function recoverEntries(state: SpoolState, beside: boolean): Promise<RecoverReport> {
  const { io, folders, log } = state;
  for (const folder of Object.values(folders)) await io.makeFolder(folder);
  const drafts = beside ? [] : await io.list(folders.incoming);
  for (const name of drafts) await io.remove(join(folders.incoming, name));
  for (const name of await io.list(folders.active)) {
    await io.rename(join(folders.active, name), join(folders.due, name));
  }
  await Promise.all([state.syncDue(), state.syncActive()]);
  const corrupt: string[] = [];
  const names = [...(await io.list(folders.due))].sort();
  let next = 0;
  const readNext = async () => {
    for (let name = names[next++]; name !== undefined; name = names[next++]) {
      const found = await recoverEntry(state, name);
      if (found) admit(state, found);
      else corrupt.push(name);
    }
  };
  await Promise.all(Array.from({ length: READERS }, readNext));
  state.corrupt += corrupt.length;
  log.info("spool-recovered", {
    due: state.entries.size,
    drafts: drafts.length,
    corrupt: corrupt.length,
  });
  return { due: state.entries.size, drafts: drafts.length, corrupt };
}

async function recoverEntry(state: SpoolState, name: string): Promise<Entry | null> {
  const { io, folders, log } = state;
  const path = join(folders.due, name);
  try {
    const [transaction = "", suffix = ""] = name.split("-");
    if (!ID_PATTERN.test(transaction) || suffix === "") throw new CorruptEntry("is not ours");
    return await readEntry(io, path, name);
  } catch (error) {
    await io.rename(path, join(folders.corrupt, name));
    log.error("spool-entry-corrupt", { entry: name, reason: String(error) });
    return null;
  }
}

function admit(state: SpoolState, found: Entry): void {
  const dueAt = Math.min(found.item.dueAt, state.clock.now());
  const entry = { ...found, item: { ...found.item, dueAt } };
  state.entries.set(entry.item.id, entry);
  state.bytes += entry.item.bytes;
  state.queue.push(entry.item.id, dueAt);
}
