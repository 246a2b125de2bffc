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
/** A store may take this long. Entries of access.yaml must not wait for it, nor fail with it. */
const PATIENCE_MS = 300;

/** The first reading begins at once, so that it is over before the first mail comes. */
export function createExceptionBook(
  shelf: Pick<Shelf, "list">,
  clock: Pick<Clock, "monotonic" | "after">,
): ExceptionBook {
  let inForce = compileAccess([]);
  let mark = "";
  const read = async () => {
    const answer = await shelf.list();
    if (answer.kind === "unknown") return;
    const entries = answer.value.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    const seen = entries.map(({ key, since, until }) => `${key} ${since} ${until}`).join("\n");
    if (seen === mark) return;
    mark = seen;
    inForce = compileAccess(entries.flatMap((entry) => toEntry(entry) ?? []));
  };
  let readAt = clock.monotonic();
  let reading: Promise<void> | null = null;
  /** What is waited for: the reading, as long as there is patience. */
  let waiting: Promise<void> | null = null;
  const begin = () => {
    readAt = clock.monotonic();
    const own = read().finally(() => {
      reading = null;
    });
    reading = own;
    waiting = patiently(own, clock).finally(() => {
      waiting = null;
    });
  };
  begin();
  return {
    async current() {
      if (!reading && clock.monotonic() - readAt >= FRESH_MS) begin();
      await waiting;
      return inForce;
    },
  };
}

function patiently(work: Promise<void>, clock: Pick<Clock, "after">): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(PATIENCE_MS, resolve);
    work.then(
      () => {
        cancel();
        resolve();
      },
      // The store promises not to throw. What was read last holds, and it is asked again.
      () => resolve(),
    );
  });
}
