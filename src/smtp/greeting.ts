import { type Clock, pause } from "../base/clock.ts";
import type { SessionReport } from "./known-clients.ts";
import type { ListenerRules } from "./listener-rules.ts";
import { TOO_EARLY } from "./protocol-replies.ts";
import type { Reply } from "./reply.ts";
import type { ClientFacts, SessionHandler } from "./session-handler.ts";
import type { SmtpLimits } from "./smtp-limits.ts";
import type { SmtpMetrics } from "./smtp-metrics.ts";
import type { Wire } from "./wire.ts";

export interface GreetingOptions {
  readonly client: ClientFacts;
  /** He has waited before. */
  readonly isKnown: boolean;
  readonly limits: Pick<SmtpLimits, "session">;
  readonly clock: Clock;
  readonly metrics: Pick<SmtpMetrics, "earlyTalkers">;
  readonly rules: Pick<ListenerRules, "banner">;
}

/**
 * The time before the last line of the greeting, in which a client has nothing to say (RFC 5321
 * 4.3.1). Programs that send spam often do not listen; to tell them from mail servers, an unknown
 * client gets the first line of two and is kept waiting for the other.
 */
export class Greeting {
  readonly #options: GreetingOptions;
  #outcome: SessionReport["greeting"] = "not-tested";

  constructor(options: GreetingOptions) {
    this.#options = options;
  }

  /** Resolves when it is time for the last line, at the latest when the signal aborts. */
  async wait(
    { isTrusted, greetDelaySeconds = 0 }: Pick<SessionHandler, "isTrusted" | "greetDelaySeconds">,
    wire: Pick<Wire, "write">,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, clock, isKnown, limits } = this.#options;
    const delayMs = Math.max(limits.session.greetDelaySeconds, greetDelaySeconds) * 1000;
    if (delayMs === 0 || isKnown || isTrusted || signal.aborted) return;
    wire.write(`220-${client.listener.hostname} please wait\r\n`);
    await pause(clock, delayMs, signal);
    if (!signal.aborted) this.#outcome = "waited";
  }

  /** RFC 5321 4.2: the name comes first. ESMTP stays: some senders look for it. */
  lastLine(): Reply {
    const { client, rules } = this.#options;
    const banner = rules.banner === null ? "" : ` ${rules.banner}`;
    return { code: 220, status: null, text: `${client.listener.hostname} ESMTP${banner}` };
  }

  /** The client spoke while it was not his turn. Also one octet counts, and also one who is known. */
  interrupted(): Reply {
    this.#outcome = "talked-early";
    const { client, metrics } = this.#options;
    metrics.earlyTalkers.add({ listener: client.listener.name });
    return TOO_EARLY;
  }

  /** For the door, which knows the client's next session before anybody else. */
  report(): SessionReport {
    return { greeting: this.#outcome };
  }
}
