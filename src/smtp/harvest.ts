import type { Reply } from "./reply.ts";
import type { SmtpLimits } from "./smtp-limits.ts";
import type { SmtpMetrics } from "./smtp-metrics.ts";

export interface HarvestOptions {
  /** Of the same client, in sessions before this one. */
  readonly before: number;
  readonly limits: Pick<
    SmtpLimits["session"],
    "unknownSoft" | "unknownHard" | "unknownDelaySeconds"
  >;
  readonly metrics: Pick<SmtpMetrics, "unknownRecipients">;
  readonly listener: string;
}

/** How a refusal of an unknown recipient is answered. */
export type HarvestPace =
  | { readonly kind: "at-once" }
  | { readonly kind: "late"; readonly delayMs: number }
  /** The session ends. */
  | { readonly kind: "over" };

/**
 * The unknown recipients of one session, counted on from those before it. Of a client for whom somebody
 * vouches none counts: a second MX of ours passes on what others guessed.
 */
export class Harvest {
  readonly #options: HarvestOptions;
  #count = 0;
  #isTrusted = false;

  constructor(options: HarvestOptions) {
    this.#options = options;
  }

  trust(): void {
    this.#isTrusted = true;
  }

  /** Counts one more. */
  note(): HarvestPace {
    if (!this.#isTrusted) this.#count += 1;
    const pace = this.#pace();
    const { listener, metrics } = this.#options;
    metrics.unknownRecipients.add({ listener, answered: pace.kind });
    return pace;
  }

  /** Of this session, for the door. */
  count(): number {
    return this.#count;
  }

  #pace(): HarvestPace {
    const { before, limits } = this.#options;
    if (this.#isTrusted) return { kind: "at-once" };
    const count = before + this.#count;
    if (count > limits.unknownHard) return { kind: "over" };
    if (count <= limits.unknownSoft) return { kind: "at-once" };
    return { kind: "late", delayMs: limits.unknownDelaySeconds * 1000 };
  }
}

/** 550 5.1.1, whoever found out: a list or the hub. */
export function isUnknownRecipient({ code, status }: Reply): boolean {
  return code === 550 && status === "1.1";
}
