import { type FSWatcher, watch } from "node:fs";
import { realpath } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "./clock.ts";
import { type Marks, marksOf } from "./file-marks.ts";
import { startLaterRounds } from "./rounds.ts";

/** An edit is over when nothing happened for this long; an editor writes in several strokes. */
const QUIET_MS = 250;
/** Somebody who writes all the time must not keep an edit from being seen. */
const MAX_WAIT_MS = 2000;
/** Mounted folders (NFS, desktop containers) send no events: look for ourselves, seldom. */
const POLL_MS = 5000;

export interface FileWatch {
  /** Watches these paths: a change is what differs from these marks. */
  follow(marks: Marks): Promise<void>;
  close(): void;
}

export interface FileWatchInput {
  /** Null: only the files that are followed count. */
  readonly folder: string | null;
  readonly clock: Clock;
  /** Called once after a burst of changes. */
  readonly onChange: () => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Watches a folder (not below it) and single files. Resolves when watching has begun. Folders are
 * watched, never files, so that what is replaced by renaming stays watched; what sends no event (a
 * switched link above the folder, a network mount) is found by looking. node:fs and not chokidar 5,
 * which loses watchers when it is closed during a change and keeps the process from ending.
 */
export async function watchFiles(input: FileWatchInput): Promise<FileWatch> {
  const { folder, clock, onError } = input;
  let sight: Sight = { root: await rootOf(folder), marks: new Map() };
  let watchers: readonly FSWatcher[] = [];
  let closed = false;
  const look = async (): Promise<void> => {
    const before = sight;
    const now = await lookAgain(folder, before.marks);
    if (closed) return;
    if (sight !== before) return look(); // a reading came between
    sight = now;
    // An event may be about a neighbour of our files: only another mark is a change.
    if (!isSame(before, now)) input.onChange();
  };
  const burst = createBurst(clock, () => void look());
  const stopPoll = startLaterRounds(clock, POLL_MS, look);
  const watchFolders = (paths: Iterable<string>) => {
    // Anew each time: a folder may have been replaced by another of its name. New before old, so
    // that nothing happens unseen.
    const before = watchers;
    watchers = [...paths].flatMap((path) => watchFolder(path, burst.stroke, onError));
    for (const watcher of before) watcher.close();
  };
  watchFolders(rooted(sight));
  return {
    async follow(marks) {
      const root = await rootOf(folder);
      if (closed) return;
      sight = { root, marks };
      const files = marks.keys().filter((path) => path !== root);
      watchFolders(new Set([...rooted(sight), ...files.map((path) => dirname(path))]));
      burst.stroke(); // something may have changed since the marks were taken
    },
    close() {
      closed = true;
      stopPoll();
      burst.cancel();
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** What was there when we last looked. */
interface Sight {
  readonly root: string | null;
  readonly marks: Marks;
}

async function rootOf(folder: string | null): Promise<string | null> {
  return folder === null ? null : realpath(folder).catch(() => folder);
}

function rooted({ root }: Sight): readonly string[] {
  return root === null ? [] : [root];
}

async function lookAgain(folder: string | null, marks: Marks): Promise<Sight> {
  return { root: await rootOf(folder), marks: await marksOf(marks.keys()) };
}

function isSame(a: Sight, b: Sight): boolean {
  return a.root === b.root && a.marks.entries().every(([path, mark]) => b.marks.get(path) === mark);
}

function watchFolder(
  path: string,
  onEvent: () => void,
  onError: (error: unknown) => void,
): readonly FSWatcher[] {
  try {
    const watcher = watch(path, { persistent: false }, onEvent);
    watcher.on("error", onError);
    return [watcher];
  } catch (error) {
    onError(error); // no such folder, or no watches left: the poll still looks
    return [];
  }
}

interface Burst {
  readonly stroke: () => void;
  readonly cancel: () => void;
}

/** Many strokes, one call: when they have ended, or have lasted too long. */
function createBurst(clock: Clock, onEnd: () => void): Burst {
  let startedAt: number | null = null;
  let ended = false;
  let cancel = () => {};
  const end = () => {
    startedAt = null;
    onEnd();
  };
  return {
    stroke() {
      if (ended) return;
      startedAt ??= clock.monotonic();
      const left = startedAt + MAX_WAIT_MS - clock.monotonic();
      cancel();
      cancel = clock.after(Math.max(0, Math.min(QUIET_MS, left)), end);
    },
    cancel() {
      ended = true;
      cancel();
    },
  };
}
