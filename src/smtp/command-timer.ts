import type { Clock } from "../base/clock.ts";
import type { SmtpLimits } from "./smtp-limits.ts";

/**
 * How long a client may keep us waiting: for the first octet of a command, for the whole line once it
 * has begun, and for the session altogether. An octet now and then does not buy time (threats.md R1).
 */
export class CommandTimer {
  readonly #clock: Clock;
  readonly #limits: SmtpLimits["session"];
  readonly #expired: (reason: "timeout" | "session-over") => void;
  readonly #sessionEndsAt: number;
  #cancel: (() => void) | null = null;
  #lineEndsAt: number | null = null;

  constructor(
    clock: Clock,
    limits: SmtpLimits["session"],
    expired: (reason: "timeout" | "session-over") => void,
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#expired = expired;
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
    if (!inLine) this.#lineEndsAt = null;
    else this.#lineEndsAt ??= now + this.#limits.commandLineSeconds * 1000;
    const due = this.#lineEndsAt ?? now + this.#limits.commandWaitSeconds * 1000;
    const reason = this.#sessionEndsAt < due ? "session-over" : "timeout";
    this.stop();
    const fire = () => {
      this.#cancel = null;
      this.#expired(reason);
    };
    this.#cancel = this.#clock.after(Math.max(0, Math.min(due, this.#sessionEndsAt) - now), fire);
  }

  /** It is our turn. The time of a begun line runs on. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}
