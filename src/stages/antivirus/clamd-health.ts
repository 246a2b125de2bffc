import { type Clock, startDeadline } from "../../base/clock.ts";
import { Unavailable } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { askVersion, type ClamdEndpoint } from "./clamd-exchange.ts";
import { type ClamdVersion, parseVersionReply } from "./clamd-reply.ts";

/** clamd answers VERSION at once unless it hangs; a machine under load gets some patience. */
const PROBE_TIMEOUT_MS = 5000;
/** While it is down: how soon it is asked again. Mail flows at the latest this long after it is back. */
const RETRY_AFTER_MS = 5000;
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

  return {
    probe,
    markDown,
    isDown: () => state.kind === "down",
    reason: () => (state.kind === "down" ? state.reason : null),
    version: () => version,
    downSignal: () => falling.signal,
    async ready() {
      return isFresh(state, clock.monotonic()) ?? probe();
    },
    close() {
      fall("closed");
      closing.abort(new Unavailable("clamd", "closed"));
    },
  };
}

/** Whether it is up as far as known lately; null: it must be asked. */
function isFresh(state: State, now: number): boolean | null {
  if (state.kind === "up" && now - state.seenAt < FRESH_MS) return true;
  return state.kind === "down" && now < state.retryAt ? false : null;
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
