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

/** What is known of one zone, kept up to date by canaries: the first at once, then by the clock. */
export class ZoneWatch {
  readonly zone: HealthZone;
  readonly #options: ZoneWatchOptions;
  readonly #stopping = new AbortController();
  #standing: ZoneStanding = { kind: "unproven", reason: "its canary is not back" };
  #usedAt: number;
  #canaryAt = 0;
  #running: Promise<void> | null = null;
  #cancelTimer = () => {};

  constructor(zone: HealthZone, options: ZoneWatchOptions) {
    this.zone = zone;
    this.#options = options;
    this.#usedAt = options.clock.monotonic();
    this.#startCanary();
  }

  standing(): ZoneStanding {
    return this.#standing;
  }

  /** The standing after the first canary, or when the signal ends the wait. */
  async proven(signal: AbortSignal): Promise<ZoneStanding> {
    if (this.#standing.kind === "unproven" && this.#running !== null)
      await abandonOn(signal, this.#running).catch(() => undefined);
    return this.#standing;
  }

  /** Puts it out of use until its next canary passes; one under way has seen too little. */
  disable(reason: string): void {
    this.#running = null;
    this.#change({ kind: "disabled", reason });
    this.#schedule(CANARY_EVERY_MS);
  }

  /** Brings the canary forward, unless there was one a moment ago. */
  suspect(): void {
    const sinceMs = this.#options.clock.monotonic() - this.#canaryAt;
    if (this.#standing.kind === "healthy" && sinceMs >= LEAST_BETWEEN_CANARIES_MS)
      this.#startCanary();
  }

  /** It is still in use. */
  touch(): void {
    this.#usedAt = this.#options.clock.monotonic();
  }

  stop(): void {
    this.#stopping.abort(new Error("the zone is not watched any more"));
    this.#cancelTimer();
  }

  #startCanary(): void {
    const { signal } = this.#stopping;
    if (this.#running !== null || signal.aborted) return;
    this.#canaryAt = this.#options.clock.monotonic();
    const running = sendCanary(this.zone, this.#options.resolver, signal).then((result) => {
      if (this.#running === running && !signal.aborted) this.#finish(result);
    });
    this.#running = running;
  }

  #finish(result: CanaryResult): void {
    this.#running = null;
    this.#options.onCanary(result);
    const { kind, reason } = result;
    this.#change(kind === "passed" ? { kind: "healthy" } : { kind: "disabled", reason });
    this.#schedule(kind === "silent" ? RETRY_SILENT_MS : CANARY_EVERY_MS);
  }

  #schedule(ms: number): void {
    const { clock, onForgotten } = this.#options;
    this.#cancelTimer();
    this.#cancelTimer = clock.after(ms, () => {
      if (clock.monotonic() - this.#usedAt < FORGET_AFTER_MS) this.#startCanary();
      else onForgotten();
    });
  }

  #change(after: ZoneStanding): void {
    const before = this.#standing;
    this.#standing = after;
    if (before.kind !== after.kind) this.#options.onChange(before, after);
  }
}
