import type { Clock } from "./clock.ts";
import { type Marks, marksOf } from "./file-marks.ts";
import { watchFiles } from "./watch-files.ts";

/** What was read from files, and news of their changes. */
export interface WatchedReading<T> {
  readonly first: T;
  /** Reads again. Rejects as `read` does, and goes on watching. */
  read(): Promise<T>;
  /** Instead of the listener before. */
  onChange(listener: () => void): void;
  close(): void;
}

export interface WatchedReadingInput<T> {
  /** Null: only the files that are followed count. */
  readonly folder: string | null;
  readonly clock: Clock;
  /** Calls `follow` with the marks of what it read, also when that cannot be used. */
  readonly read: (follow: (marks: Marks) => Promise<void>) => Promise<T>;
  readonly onWatchError: (error: unknown) => void;
}

/** Rejects, and watches nothing, when the first reading fails. */
export async function openWatchedReading<T>(
  input: WatchedReadingInput<T>,
): Promise<WatchedReading<T>> {
  const { folder, clock, onWatchError } = input;
  let listener = () => {};
  // Before the first reading, so that no change falls between the two.
  const watcher = await watchFiles({
    folder,
    clock,
    onChange: () => listener(),
    onError: onWatchError,
  });
  const read = () => input.read(watcher.follow);
  const first = await read().catch((error: unknown) => {
    watcher.close();
    throw error;
  });
  return {
    first,
    read,
    onChange(next) {
      listener = next;
    },
    close: watcher.close,
  };
}

/** A `read` of these files: marked before, so that what changes meanwhile is read again. */
export function readingOf<T>(
  paths: readonly string[],
  read: () => Promise<T>,
): WatchedReadingInput<T>["read"] {
  return async (follow) => {
    const marks = await marksOf(paths);
    try {
      return await read();
    } finally {
      await follow(marks);
    }
  };
}
