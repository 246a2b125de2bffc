import type { ClosingReason } from "./protocol-replies.ts";
import type { SmtpLimits } from "./smtp-limits.ts";

/**
 * A client may send this many recipients beyond the limit before it counts as an error: senders of
 * large lists learn of the limit from the 452 and come back, harvesters do not (threats.md R3).
 */
const RECIPIENT_OVERSHOOT = 1000;
/** As Exchange's MaxLogonFailures: who mistypes thrice looks the password up (field notes e.11). */
const MAX_LOGON_FAILURES = 3;

/** What a session has used up so far. Each method answers why the session must end, or null. */
export class SessionBudget {
  readonly #limits: SmtpLimits["session"];
  #errors = 0;
  #idleCommands = 0;
  #transactions = 0;
  #logonFailures = 0;

  constructor(limits: SmtpLimits["session"]) {
    this.#limits = limits;
  }

  error(errorsHard: number = this.#limits.errorsHard): ClosingReason | null {
    this.#errors += 1;
    return this.#errors > Math.min(errorsHard, this.#limits.errorsHard) ? "too-many-errors" : null;
  }

  /** Errors are answered late from here on, so that guessing addresses takes time. */
  isSlowed(): boolean {
    return this.#errors > this.#limits.errorsSoft;
  }

  idleCommand(): ClosingReason | null {
    this.#idleCommands += 1;
    return this.#idleCommands > this.#limits.idleCommands ? "too-many-commands" : null;
  }

  transaction(): ClosingReason | null {
    this.#transactions += 1;
    return this.#transactions > this.#limits.transactions ? "too-many-transactions" : null;
  }

  logonFailure(): ClosingReason | null {
    this.#logonFailures += 1;
    return this.#logonFailures < MAX_LOGON_FAILURES ? null : "too-many-logon-failures";
  }

  /** Mail came through: what it takes to send a message may be repeated. */
  messageAccepted(): void {
    this.#idleCommands = 0;
  }

  mayAddRecipient(said: RecipientCount): boolean {
    return said.accepted < this.#limits.recipients && !this.isOvershoot(said);
  }

  isOvershoot(said: RecipientCount): boolean {
    return said.attempts > this.#limits.recipients + RECIPIENT_OVERSHOOT;
  }
}

interface RecipientCount {
  readonly accepted: number;
  readonly attempts: number;
}
