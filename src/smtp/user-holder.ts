import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { CounterMetric } from "../base/metrics.ts";
import { createSingleFlight } from "../base/single-flight.ts";
import { openWatchedReading, readingOf } from "../base/watched-reading.ts";
import { readUserFile } from "./user-file.ts";
import type { UserTable } from "./user-table.ts";

export interface UserHolderInput {
  readonly listener: string;
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** By listener and outcome. */
  readonly reloads: CounterMetric;
}

export interface UserHolder {
  current(): UserTable;
  /** Reads the file again. Never rejects: the log says what is wrong. */
  reload(): Promise<void>;
  close(): void;
}

/**
 * The users of one listener as their file says. One that cannot be used leaves the old in force, so
 * that a slip of the pen locks nobody out. Rejects when there is nothing to begin with. Sessions that
 * are logged on stay so to their end.
 */
export async function openUserHolder(input: UserHolderInput): Promise<UserHolder> {
  const { listener, path, clock, log, reloads } = input;
  const watched = await openWatchedReading({
    folder: null,
    clock,
    read: readingOf([path], () => readUserFile(path)),
    onWatchError: (error) => log.warn("users-watch-failed", { listener, error: errorText(error) }),
  });
  let current = watched.first;
  const adopt = (users: UserTable) => {
    current = users;
    reloads.add({ listener, outcome: "applied" });
    log.info("users-reloaded", { listener, users: users.size });
  };
  const refuse = (error: unknown) => {
    reloads.add({ listener, outcome: "rejected" });
    log.error("users-rejected", { listener, error: errorText(error), kept: current.size });
  };
  const reload = createSingleFlight(() => watched.read().then(adopt, refuse));
  watched.onChange(() => void reload());
  return { current: () => current, reload, close: watched.close };
}
