import type { Clock } from "../base/clock.ts";
import { createMovingLimit, type MovingLimit } from "../base/moving-limit.ts";
import type { SmtpLimits } from "./smtp-limits.ts";

/**
 * While places are short (behaviour.md 5). RFC 5321 4.5.3.2.7 wants five minutes, but a client that
 * is told 421 comes back, and one that finds no place does not come in at all.
 */
const STRESS_WAIT_MS = 10_000;

/**
 * How long a client may keep us waiting: for the first octet of a command, for the whole line once it
 * has begun, and for the session altogether. An octet now and then does not buy time (threats.md R1).
 */
export class CommandTimer {
  readonly #clock: Clock;
  readonly #limits: SmtpLimits["session"];
  readonly #limit: MovingLimit;
  readonly #sessionEndsAt: number;
  #reason: "timeout" | "session-over" = "timeout";
  #lineSince: number | null = null;
  /** Since when it is the client's turn. */
  #waitingSince: number | null = null;
  #stressedSince: number | null = null;

  constructor(
    clock: Clock,
    limits: SmtpLimits["session"],
    expired: (reason: "timeout" | "session-over") => void,
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#limit = createMovingLimit(clock, () => {
      this.stop();
      expired(this.#reason);
    });
    this.#sessionEndsAt = clock.monotonic() + limits.totalSeconds * 1000;
  }

  isSessionOver(): boolean {
    return this.remainingMs() === 0;
  }

  /** Of the session. */
  remainingMs(): number {
    return Math.max(0, this.#sessionEndsAt - this.#clock.monotonic());
  }

  /** It is the client's turn. `inLine`: the command has begun. */
  wait(inLine: boolean): void {
    const now = this.#clock.monotonic();
    if (!inLine) this.#lineSince = null;
    else this.#lineSince ??= now;
    this.#arm(now);
  }

  /** Whoever waits already has the time of stress from now on, or what was left to him before it. */
  stress(on: boolean): void {
    this.#stressedSince = on ? this.#clock.monotonic() : null;
    if (this.#waitingSince !== null) this.#arm(this.#waitingSince);
  }

  #arm(since: number): void {
    const due = this.#dueAfter(since);
    this.#reason = this.#sessionEndsAt < due ? "session-over" : "timeout";
    this.#waitingSince = since;
    this.#limit.set(Math.min(due, this.#sessionEndsAt));
  }

  #dueAfter(since: number): number {
    const { commandLineSeconds, commandWaitSeconds } = this.#limits;
    const begun = this.#lineSince ?? since;
    const seconds = this.#lineSince === null ? commandWaitSeconds : commandLineSeconds;
    const calm = begun + seconds * 1000;
    if (this.#stressedSince === null) return calm;
    return Math.min(calm, Math.max(begun, this.#stressedSince) + STRESS_WAIT_MS);
  }

  /** It is our turn. The time of a begun line runs on. */
  stop(): void {
    this.#limit.clear();
    this.#waitingSince = null;
  }

  /** The session is over. */
  end(): void {
    this.#limit.end();
    this.#waitingSince = null;
  }
}
