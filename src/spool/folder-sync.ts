import type { SpoolIo } from "./spool-io.ts";

/**
 * fsync of one folder, shared: whoever asks while a sync runs waits for the next one, because the
 * running one may have begun before his rename. So a burst of messages costs two, not one each.
 */
export function createFolderSync(io: SpoolIo, folder: string): () => Promise<void> {
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  const start = (): Promise<void> => {
    const sync = io.syncFolder(folder).finally(() => {
      running = null;
    });
    running = sync;
    return sync;
  };
  return () => {
    if (!running) return start();
    next ??= running
      .catch(() => {})
      .then(() => {
        next = null;
        return start();
      });
    return next;
  };
}
