import { errorText } from "./errors.ts";
import type { Log } from "./log.ts";

/**
 * A rejection that nobody took is a bug in one place, and the other sessions go on. After an
 * uncaught exception nothing is certain any more: the process ends, and what was promised is on disk.
 */
export function logBugs(log: Log): void {
  process.on("unhandledRejection", (reason) => log.error("bug", describe(reason)));
  process.on("uncaughtException", (error) => {
    log.error("crash", describe(error));
    process.exit(1);
  });
}

function describe(error: unknown) {
  return { error: errorText(error), stack: error instanceof Error ? error.stack : undefined };
}
