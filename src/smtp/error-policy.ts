import { type Clock, pause } from "../base/clock.ts";
import { type Harvest, isUnknownRecipient } from "./harvest.ts";
import type { ClosingReason } from "./protocol-replies.ts";
import { isError, type Reply } from "./reply.ts";
import type { SessionBudget } from "./session-budget.ts";

/**
 * Each error beyond the soft limit is answered this late (threats.md P11). It does not grow: the
 * hard limit ends the session after ten of them, and a client that guesses on must connect again,
 * which is counted.
 */
const ERROR_DELAY_MS = 1000;
/** While places are short (behaviour.md 5): a true sender hardly errs twice, a guesser always. */
const STRESS_ERRORS_HARD = 1;

export interface ErrorPolicyOptions {
  readonly budget: SessionBudget;
  readonly harvest: Harvest;
  readonly clock: Clock;
  /** Nobody vouches for the client yet: no hub, no partner. Those are not kept waiting for errors. */
  readonly isAnonymous: () => boolean;
  /** Until the session is over: no delay lasts longer. */
  readonly remainingMs: () => number;
}

/**
 * What the errors of a session cost it. The session reads no further command while a reply is being
 * delayed, so pipelining does not help; what waits is one timer and no more.
 */
export class ErrorPolicy {
  readonly #options: ErrorPolicyOptions;
  #hurry: (() => void) | null = null;
  #inHurry = false;
  #stressed = false;

  constructor(options: ErrorPolicyOptions) {
    this.#options = options;
  }

  /**
   * Counts the reply when it is an error. Answers why the session must end, or null once it may be
   * spoken, which is late, or at once when the signal aborts.
   */
  async charge(reply: Reply, signal: AbortSignal): Promise<ClosingReason | null> {
    if (!isError(reply)) return null;
    const { budget, harvest } = this.#options;
    const isAnonymous = this.#options.isAnonymous();
    const pace = isAnonymous && isUnknownRecipient(reply) ? harvest.note() : null;
    // A hub or a partner is no part of the flood, and the addresses it tries are its users'.
    const over = budget.error(this.#stressed && isAnonymous ? STRESS_ERRORS_HARD : undefined);
    if (over !== null || pace?.kind === "over") return "too-many-errors";
    const delayMs = pace?.kind === "late" ? pace.delayMs : budget.isSlowed() ? ERROR_DELAY_MS : 0;
    if (isAnonymous && delayMs > 0 && !reply.close) await this.delay(delayMs, signal);
    return null;
  }

  stress(on: boolean): void {
    this.#stressed = on;
  }

  /** Ends the delay under way; there will be no other. */
  hurry(): void {
    this.#inHurry = true;
    this.#hurry?.();
  }

  /** Before a reply: so long, or until the session is over or in a hurry. */
  async delay(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#inHurry || signal.aborted) return;
    const { clock, remainingMs } = this.#options;
    const cut = new AbortController();
    this.#hurry = () => cut.abort();
    signal.addEventListener("abort", this.#hurry, { once: true });
    await pause(clock, Math.min(ms, remainingMs()), cut.signal);
    signal.removeEventListener("abort", this.#hurry);
    this.#hurry = null;
  }
}
