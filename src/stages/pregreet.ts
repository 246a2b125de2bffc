import { z } from "zod";
import type { StageReport } from "../pipeline/report.ts";
import { defineStage, type Stage } from "../pipeline/stage.ts";
import { suspicionOf } from "../pipeline/suspicion.ts";
import { NEUTRAL, type Verdict } from "../pipeline/verdict.ts";

export type PregreetEvidence = {
  /** The score so far: lists, reverse name, reputation. */
  readonly suspicion: number;
  /** So long the client waits; 0: not at all. */
  readonly delaySeconds: number;
};

/** Nothing is asked. */
const TIMEOUT_MS = 1000;
/** RFC 5321 4.5.3.2.1: a client waits five minutes for its greeting. */
const MAX_DELAY_SECONDS = 60;

const options = z.strictObject({
  /** Who has this score when he connects waits for his greeting; null: nobody. */
  from: z.number().positive().nullable().default(3),
  delaySeconds: z.int().min(1).max(MAX_DELAY_SECONDS).default(6),
});

type PregreetOptions = z.infer<typeof options>;

/**
 * Keeps suspicious clients waiting before the greeting. Many programs that send spam speak without
 * listening first, and whoever speaks before his greeting is refused by the protocol (RFC 5321
 * 4.3.1): the wait itself is smtp/greeting.ts, which also knows who has waited before.
 */
export const pregreetStage: Stage<"connect", unknown> = defineStage<
  "connect",
  PregreetOptions,
  PregreetEvidence,
  unknown
>({
  name: "pregreet",
  phase: "connect",
  timeoutMs: TIMEOUT_MS,
  onFailure: "open",
  trustable: true,
  concerns: "strangers",
  judges: "peer",
  file: "connection",
  section: "pregreet",
  options,

  async observe({ reports }, { from, delaySeconds }, _services, _signal, house) {
    const suspicion = suspicionOf(reports, house);
    return { suspicion, delaySeconds: from !== null && suspicion >= from ? delaySeconds : 0 };
  },

  judge({ suspicion, delaySeconds }): Verdict {
    if (delaySeconds === 0) return NEUTRAL;
    const detail = `${delaySeconds} s for a score of ${suspicion}`;
    return { kind: "neutral", findings: [{ symbol: "GREET_DELAYED", score: 0, detail }] };
  },
});

/** How long the client is to wait for his greeting, by the reports of the connect phase. */
export function greetDelaySeconds(reports: readonly StageReport[]): number {
  const report = reports.find(({ stage }) => stage === pregreetStage.name);
  if (report?.mode !== "enforce" || report.outcome !== "judged") return 0;
  return (report.evidence as PregreetEvidence).delaySeconds;
}
