import type { Clock } from "../base/clock.ts";

/** A client who has waited for the greeting once is believed for so long. */
const KNOWN_MS = 24 * 60 * 60 * 1000;
/** Some 20 MB; when more have waited, those who did so first wait again. */
const MAX_KNOWN = 100_000;

/** What a session tells the door when it ends. */
export interface SessionReport {
  /** About the wait before its greeting. */
  readonly greeting: "waited" | "talked-early" | "not-tested";
  /** How many unknown recipients the client named. Default: none. */
  readonly unknown?: number;
}

/**
 * Clients who need not wait for the greeting. It lies on the door's side, because a client's next
 * session may be another process's. A client is what `prefixKey` makes of it.
 */
export interface KnownClients {
  has(client: string): boolean;
  learn(client: string, report: SessionReport): void;
}

export function createKnownClients(clock: Clock, max: number = MAX_KNOWN): KnownClients {
  /** In the order in which they expire. */
  const until = new Map<string, number>();
  return {
    has: (client) => (until.get(client) ?? 0) > clock.monotonic(),
    learn(client, { greeting }) {
      if (greeting === "not-tested") return;
      until.delete(client);
      if (greeting === "talked-early") return;
      until.set(client, clock.monotonic() + KNOWN_MS);
      const [eldest] = until.keys();
      if (until.size > max && eldest !== undefined) until.delete(eldest);
    },
  };
}
