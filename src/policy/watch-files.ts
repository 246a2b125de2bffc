import { realpath } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { watch } from "chokidar";
import type { Clock } from "../base/clock.ts";
import { markOf } from "./policy-folder.ts";

/** An edit is over when nothing happened for this long; an editor writes in several strokes. */
const QUIET_MS = 250;
/** Somebody who writes all the time must not keep an edit from being seen. */
const MAX_WAIT_MS = 2000;
/** Mounted folders (NFS, desktop containers) send no events: look for ourselves, seldom. */
const POLL_MS = 5000;

export interface FileWatch {
  /** Also watch these files. */
  follow(paths: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export interface FileWatchInput {
  readonly folder: string;
  readonly clock: Clock;
  /** Called once after a burst of changes. */
  readonly onChange: () => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Watches a folder (not below it) and single files. Resolves when watching has begun: a change made
 * afterwards is seen. What is replaced by renaming, or by switching a symbolic link, stays watched.
 */
export async function watchFiles(input: FileWatchInput): Promise<FileWatch> {
  const { folder, clock, onChange, onError } = input;
  const burst = createBurst(clock, onChange);
  const watcher = watch(folder, { ignoreInitial: true, depth: 0, atomic: false });
  watcher.on("error", onError);
  watcher.on("all", burst.stroke);
  // A switched link (Kubernetes' ..data) is no change of any file that chokidar knows.
  watcher.on("raw", burst.stroke);
  await new Promise<void>((ready) => watcher.once("ready", ready));
  const poll = await startPoll(folder, clock, burst.stroke);
  return {
    async follow(paths) {
      if (watcher.closed) return; // add would open it again
      const watched = [resolve(folder), await realpath(folder).catch(() => folder)];
      const fresh = await poll.add(paths);
      watcher.add(fresh.filter((path) => !watched.includes(dirname(path))));
    },
    async close() {
      poll.cancel();
      burst.cancel();
      await watcher.close();
    },
  };
}

interface Poll {
  /** Returns the paths that are new. */
  add(paths: readonly string[]): Promise<readonly string[]>;
  cancel(): void;
}

async function startPoll(folder: string, clock: Clock, onChange: () => void): Promise<Poll> {
  const look = async (path: string) => {
    const target = path === folder ? await realpath(folder).catch(() => "absent") : "";
    return target + (await markOf(path));
  };
  const known = new Map([[folder, await look(folder)]]);
  let cancelled = false;
  const poll = async () => {
    let changed = false;
    for (const [path, mark] of known) {
      const seen = await look(path);
      changed ||= seen !== mark;
      known.set(path, seen);
    }
    if (cancelled) return;
    if (changed) onChange();
    cancelTimer = clock.after(POLL_MS, () => void poll());
  };
  let cancelTimer = clock.after(POLL_MS, () => void poll());
  return {
    async add(paths) {
      const fresh = paths.filter((path) => !known.has(path));
      for (const path of fresh) known.set(path, await look(path));
      return fresh;
    },
    cancel() {
      cancelled = true;
      cancelTimer();
    },
  };
}

interface Burst {
  readonly stroke: () => void;
  readonly cancel: () => void;
}

/** Many strokes, one call: when they have ended, or have lasted too long. */
function createBurst(clock: Clock, onEnd: () => void): Burst {
  let startedAt: number | null = null;
  let cancel = () => {};
  const end = () => {
    startedAt = null;
    onEnd();
  };
  return {
    stroke() {
      startedAt ??= clock.monotonic();
      const left = startedAt + MAX_WAIT_MS - clock.monotonic();
      cancel();
      cancel = clock.after(Math.max(0, Math.min(QUIET_MS, left)), end);
    },
    cancel: () => cancel(),
  };
}
