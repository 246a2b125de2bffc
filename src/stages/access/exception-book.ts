import type { Clock } from "../../base/clock.ts";
import type { Shelf } from "../../reputation/shelf.ts";
import { type AccessOptions, compileAccess } from "./access-options.ts";
import { toEntry } from "./stored-exception.ts";

/** What stages ask for exceptions that operators made by command. */
export interface ExceptionServices {
  readonly exceptions: ExceptionBook;
}

/**
 * The exceptions in force. They are read from the store at most once a second and found in memory, so
 * that a store that is slow or away costs no mail anything: then the last ones that were read hold.
 */
export interface ExceptionBook {
  current(): Promise<Pick<AccessOptions, "find" | "findSender">>;
}

/** As fast as a change by command takes effect. */
const FRESH_MS = 1000;

export function createExceptionBook(
  shelf: Pick<Shelf, "list">,
  clock: Pick<Clock, "monotonic">,
): ExceptionBook {
  let inForce = compileAccess([]);
  let readAt = Number.NEGATIVE_INFINITY;
  let mark = "";
  let reading: Promise<void> | null = null;
  const read = async () => {
    const answer = await shelf.list();
    if (answer.kind === "unknown") return;
    const entries = answer.value.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    const seen = entries.map(({ key, since, until }) => `${key} ${since} ${until}`).join("\n");
    if (seen === mark) return;
    mark = seen;
    inForce = compileAccess(entries.flatMap((entry) => toEntry(entry) ?? []));
  };
  return {
    async current() {
      if (!reading && clock.monotonic() - readAt >= FRESH_MS) {
        readAt = clock.monotonic();
        reading = read().finally(() => {
          reading = null;
        });
      }
      // Whoever comes meanwhile waits too: at a start nothing is in force before it was read.
      await reading;
      return inForce;
    },
  };
}
