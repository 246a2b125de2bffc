import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";

/** While it is open: how soon it is noticed that Redis answers again. */
const PROBE_EVERY_MS = 250;
/** An outage that comes and goes is told so often. */
const TELL_EVERY_MS = 10_000;

/** Open: nothing is asked. A probe of its own closes it again; no session pays for that. */
export interface RedisBreaker {
  /** Why it is open; null: closed. */
  reason(): string | null;
  open(reason: string): void;
  /** It may be well again: look now. */
  probeSoon(): void;
  /** For ever; probes end. */
  end(): void;
}

export interface RedisBreakerOptions {
  readonly clock: Pick<Clock, "monotonic" | "after">;
  readonly log: Log;
  readonly metrics: Metrics | undefined;
  /** Resolves when it answers, rejects within its limit when not. */
  readonly probe: () => Promise<void>;
}

export function createRedisBreaker(options: RedisBreakerOptions): RedisBreaker {
  const { clock, metrics } = options;
  const tell = createTeller(options);
  let reason: string | null = null;
  let ended = false;
  let cancel = () => {};
  const opens = metrics?.counter(
    "postern_redis_breaker_opens_total",
    "How often Redis was left alone because it did not answer.",
  );
  metrics?.gauge(
    "postern_redis_up",
    "1 while Redis is asked, 0 while its breaker is open.",
    () => (reason === null ? 1 : 0),
    "min",
  );
  const probeAfter = (ms: number) => {
    cancel();
    if (!ended && reason !== null) cancel = clock.after(ms, () => void probe());
  };
  const probe = async () => {
    const isWell = await options.probe().then(
      () => true,
      () => false,
    );
    if (!isWell) {
      // One that began too soon after another to be told is told once it lasts.
      if (reason !== null) tell.away(reason);
      return probeAfter(PROBE_EVERY_MS);
    }
    reason = null;
    tell.back();
  };
  return {
    reason: () => reason,
    open(why) {
      if (reason !== null || ended) return;
      reason = why;
      opens?.add();
      tell.away(why);
      probeAfter(PROBE_EVERY_MS);
    },
    probeSoon: () => probeAfter(0),
    end() {
      ended = true;
      cancel();
    },
  };
}

function createTeller({ clock, log }: Pick<RedisBreakerOptions, "clock" | "log">) {
  let toldAt = Number.NEGATIVE_INFINITY;
  let isTold = false;
  return {
    away(reason: string) {
      if (isTold || clock.monotonic() - toldAt < TELL_EVERY_MS) return;
      log.warn("redis-away", { reason });
      toldAt = clock.monotonic();
      isTold = true;
    },
    back() {
      if (isTold) log.info("redis-back");
      isTold = false;
    },
  };
}
