import { type Clock, pause, startDeadline } from "../../base/clock.ts";
import { Unavailable } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { askVersion, type ClamdEndpoint } from "./clamd-exchange.ts";
import { type ClamdVersion, parseVersionReply } from "./clamd-reply.ts";

/** clamd answers VERSION at once unless it hangs; a machine under load gets some patience. */
const PROBE_TIMEOUT_MS = 5000;
/** While it is down: how soon it is asked again. Mail flows at the latest this long after it is back. */
const RETRY_AFTER_MS = 5000;
/** While scans are under way: how often it must show that it lives. */
const WATCH_EVERY_MS = 5000;
/** A sign of life, and the version in the evidence, are believed for so long. */
const FRESH_MS = 60_000;

/**
 * The breaker of one clamd. What decides is never the fate of one message, which its sender could
 * shape, but whether the daemon answers VERSION: a message that is slow to scan cannot open it, and
 * a daemon that hangs cannot keep it closed. Half-open is one shared VERSION, not a message.
 */
export interface ClamdHealth {
  /** True when scans may be sent. Probes when nothing is known lately, or the retry is due. */
  ready(): Promise<boolean>;
  /** Probes now. */
  probe(): Promise<boolean>;
  isDown(): boolean;
  /** Why it is down; null while it is up or unknown. */
  reason(): string | null;
  version(): ClamdVersion | null;
  /** Aborts with Unavailable when it goes down. A new one after each recovery. */
  downSignal(): AbortSignal;
  markDown(reason: string): void;
  /** Call around each scan: watches the daemon meanwhile. Returns the function that ends it. */
  watch(): () => void;
  close(): void;
}

type State =
  | { readonly kind: "unknown" }
  | { readonly kind: "up"; readonly seenAt: number }
  | { readonly kind: "down"; readonly retryAt: number; readonly reason: string };

export function createClamdHealth(endpoint: ClamdEndpoint, clock: Clock, log: Log): ClamdHealth {
  const closing = new AbortController();
  let state: State = { kind: "unknown" };
  let version: ClamdVersion | null = null;
  let falling = new AbortController();
  let probing: Promise<boolean> | null = null;
  let scans = 0;
  let watching = new AbortController();

  const fall = (reason: string) => {
    state = { kind: "down", retryAt: clock.monotonic() + RETRY_AFTER_MS, reason };
    falling.abort(new Unavailable("clamd", reason));
  };
  const markDown = (reason: string) => {
    if (state.kind !== "down") log.warn("clamd-down", { reason });
    fall(reason);
  };
  const markUp = (said: ClamdVersion) => {
    if (state.kind !== "up") log.info("clamd-up", { version: said.text });
    if (state.kind === "down") falling = new AbortController();
    state = { kind: "up", seenAt: clock.monotonic() };
    version = said;
  };
  const ask = async () => {
    const answer = await askForVersion(endpoint, clock, closing.signal);
    if (typeof answer === "string") markDown(answer);
    else markUp(answer);
    return state.kind === "up";
  };
  const probe = () => {
    probing ??= ask().finally(() => {
      probing = null;
    });
    return probing;
  };
  const watchOn = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      await pause(clock, WATCH_EVERY_MS, signal);
      if (!signal.aborted) await probe();
    }
  };

  return {
    probe,
    markDown,
    isDown: () => state.kind === "down",
    reason: () => (state.kind === "down" ? state.reason : null),
    version: () => version,
    downSignal: () => falling.signal,
    async ready() {
      const now = clock.monotonic();
      if (state.kind === "up" && now - state.seenAt < FRESH_MS) return true;
      if (state.kind === "down" && now < state.retryAt) return false;
      return probe();
    },
    watch() {
      if (scans === 0) {
        watching = new AbortController();
        void watchOn(watching.signal);
      }
      scans += 1;
      return () => {
        scans -= 1;
        if (scans === 0) watching.abort();
      };
    },
    close() {
      fall("closed");
      closing.abort(new Unavailable("clamd", "closed"));
      watching.abort();
    },
  };
}

/** The version, or why there is none. */
async function askForVersion(
  endpoint: ClamdEndpoint,
  clock: Clock,
  signal: AbortSignal,
): Promise<ClamdVersion | string> {
  const deadline = startDeadline(clock, PROBE_TIMEOUT_MS, signal);
  try {
    const exchange = await askVersion(endpoint, deadline.signal);
    if (exchange.kind !== "reply") return exchange.reason;
    return parseVersionReply(exchange.text) ?? "its answer to VERSION is not clamd's";
  } finally {
    deadline.clear();
  }
}
