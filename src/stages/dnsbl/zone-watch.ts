import { abandonOn, type Clock } from "../../base/clock.ts";
import type { Resolver } from "../../net/resolver.ts";
import { type CanaryResult, sendCanary } from "./zone-canary.ts";

/** A zone as its user knows it. */
export interface HealthZone {
  readonly zone: string;
  /** For log and metrics. */
  readonly label: string;
  /** False: it has no test entries, so it is believed until it answers nonsense. */
  readonly canary: boolean;
}

export type ZoneStanding =
  /** Its first canary is not back. */
  | { readonly kind: "unproven"; readonly reason: string }
  | { readonly kind: "healthy" }
  | { readonly kind: "disabled"; readonly reason: string };

/** What is known of one zone, kept up to date by canaries. */
export interface ZoneWatch {
  readonly zone: HealthZone;
  standing(): ZoneStanding;
  /** The standing after the first canary, or when the signal ends the wait. */
  proven(signal: AbortSignal): Promise<ZoneStanding>;
  /** Puts it out of use until its next canary passes. */
  disable(reason: string): void;
  /** Brings the canary forward, unless there was one a moment ago. */
  suspect(): void;
  /** It is still in use. */
  touch(): void;
  stop(): void;
}

export interface ZoneWatchOptions {
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly onCanary: (result: CanaryResult) => void;
  readonly onChange: (before: ZoneStanding, after: ZoneStanding) => void;
  /** Nobody has used it for a long time, and it has stopped itself. */
  readonly onForgotten: () => void;
}

const CANARY_EVERY_MS = 15 * 60 * 1000;
/** Silence ends sooner than a wrong answer: our own DNS may have been away. */
const RETRY_SILENT_MS = 60 * 1000;
/** Trouble with a zone brings its canary forward, but not for every mail. */
const LEAST_BETWEEN_CANARIES_MS = 60 * 1000;
/** A zone that no policy names any more is forgotten. */
const FORGET_AFTER_MS = 60 * 60 * 1000;

/** Sends the first canary at once, in the background, and the next ones by the clock. */
export function watchZone(zone: HealthZone, options: ZoneWatchOptions): ZoneWatch {
  const { clock, resolver } = options;
  const stopping = new AbortController();
  let standing: ZoneStanding = { kind: "unproven", reason: "its canary is not back" };
  let usedAt = clock.monotonic();
  let canaryAt = clock.monotonic();
  let running: Promise<void> | null = null;
  let cancelTimer = () => {};

  const change = (after: ZoneStanding) => {
    const before = standing;
    standing = after;
    if (before.kind !== after.kind) options.onChange(before, after);
  };
  const schedule = (ms: number) => {
    cancelTimer();
    cancelTimer = clock.after(ms, () => {
      if (clock.monotonic() - usedAt < FORGET_AFTER_MS) start();
      else options.onForgotten();
    });
  };
  const finish = (result: CanaryResult) => {
    running = null;
    if (stopping.signal.aborted) return;
    options.onCanary(result);
    const { kind, reason } = result;
    change(kind === "passed" ? { kind: "healthy" } : { kind: "disabled", reason });
    schedule(kind === "silent" ? RETRY_SILENT_MS : CANARY_EVERY_MS);
  };
  const start = () => {
    if (running || stopping.signal.aborted) return;
    canaryAt = clock.monotonic();
    running = sendCanary(zone, resolver, stopping.signal).then(finish);
  };

  start();
  return {
    zone,
    standing: () => standing,
    async proven(signal) {
      if (standing.kind === "unproven" && running)
        await abandonOn(signal, running).catch(() => undefined);
      return standing;
    },
    disable(reason) {
      change({ kind: "disabled", reason });
      schedule(CANARY_EVERY_MS);
    },
    suspect() {
      const isDue = clock.monotonic() - canaryAt >= LEAST_BETWEEN_CANARIES_MS;
      if (isDue && standing.kind === "healthy") start();
    },
    touch() {
      usedAt = clock.monotonic();
    },
    stop() {
      stopping.abort(new Error("the zone is not watched any more"));
      cancelTimer();
    },
  };
}
