import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { SqliteWorker } from "../base/sqlite-worker.ts";
import type { HeldFiles } from "./held-files.ts";
import type { QuarantineOperations } from "./quarantine-store.ts";

/** Log lines that name single messages, at most. */
const MOST_NAMED = 20;

/**
 * Brings folder and index in line after whatever ended the last process: drafts go, bytes that no
 * entry names go (their hold was never promised), entries whose bytes are gone are reported. When
 * the index is new and the folder is not, nobody knows what was promised: the bytes are set aside.
 */
export async function recoverQuarantine(parts: {
  readonly index: SqliteWorker<QuarantineOperations>;
  readonly files: HeldFiles;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<void> {
  const { index, files, clock, log } = parts;
  await files.makeFolders();
  await files.removeDrafts();
  const { adopted, ids } = await index.call("survey", null);
  const named = new Set(ids);
  const present = await files.ids();
  const strays = present.filter((id) => !named.has(id));
  if (adopted) {
    for (const id of strays) await files.remove(id);
    if (strays.length > 0) log.info("quarantine-strays-removed", { count: strays.length });
  } else if (strays.length > 0) {
    const folder = await files.setAside(strays);
    log.error("quarantine-index-lost", { count: strays.length, folder });
  }
  for (const id of present) named.delete(id);
  if (named.size > 0) {
    const holdIds = [...named].slice(0, MOST_NAMED);
    log.error("quarantine-bytes-gone", { count: named.size, holdIds });
  }
  if (!adopted) await index.call("adopt", clock.now());
}
