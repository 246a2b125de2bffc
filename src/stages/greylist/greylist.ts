import { z } from "zod";
import { defineStage, type House, type RcptFacts, type Stage } from "../../pipeline/stage.ts";
import { suspicionOf } from "../../pipeline/suspicion.ts";
import { NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import type { GreylistState, GreylistTimes } from "../../reputation/greylist.ts";
import type { ReputationServices } from "../../reputation/reputation.ts";
import { type GreylistParty, greylistKey, greylistParty } from "./greylist-key.ts";

/** Plain JSON. */
export type GreylistEvidence = {
  readonly party: GreylistParty;
  /** `not-asked`: nothing was suspicious. `unknown`: the store could not tell. */
  readonly answer:
    | { readonly kind: "not-asked" }
    | { readonly kind: "unknown"; readonly reason: string }
    | {
        readonly kind: "known";
        readonly state: GreylistState["kind"];
        readonly firstSeen: number;
        readonly waitMs: number;
      };
};

/** The store bounds itself far below. */
const TIMEOUT_MS = 2500;

const options = z.strictObject({
  /** `suspicious`: of a score above `above`. Delaying everybody costs more than it brings. */
  delays: z.enum(["nobody", "suspicious"]).default("nobody"),
  above: z.number().min(0).default(0),
  /** A queue tries again after some minutes; programs without one do not. */
  delaySeconds: z.int().min(10).max(3600).default(300),
  /** From the first attempt. RFC 6647 5: at least a day, for queues that wait long. */
  windowHours: z.int().min(2).max(168).default(24),
  /** From the last mail: more than a month, for senders of monthly mail. */
  passDays: z.int().min(1).max(365).default(35),
});

export type GreylistOptions = z.infer<typeof options>;

/**
 * Tells suspicious clients to come again, which mail servers do and many programs that send spam
 * don't. Before DATA, so that it costs neither side the message. The attempt is noted in `observe`,
 * against the rule that effects belong into `commit`: look and note must be one step for whoever
 * comes twice at once, and where the note cannot be written the answer is that nobody can tell, and
 * the mail goes on (behaviour.md section 8). `judge FILE` has a store of its own.
 */
export const greylistStage: Stage<"rcpt", ReputationServices> = defineStage<
  "rcpt",
  GreylistOptions,
  GreylistEvidence,
  ReputationServices
>({
  name: "greylist",
  phase: "rcpt",
  timeoutMs: TIMEOUT_MS,
  onFailure: "open",
  trustable: true,
  concerns: "strangers",
  judges: "peer",
  file: "connection",
  section: "greylist",
  options,

  async observe(view, options, { reputation }, _signal, house) {
    const party = greylistParty(view);
    if (!isSuspicious(view, options, house)) return { party, answer: { kind: "not-asked" } };
    const answer = await reputation.greylist.touch(greylistKey(party), toTimes(options));
    if (answer.kind === "unknown") return { party, answer };
    const { kind: state, firstSeen, waitMs } = answer.value;
    return { party, answer: { kind: "known", state, firstSeen, waitMs } };
  },

  judge: judgeGreylist,
});

function judgeGreylist(
  { party, answer }: GreylistEvidence,
  options: GreylistOptions,
  facts: Pick<RcptFacts, "reports">,
  house: House,
): Verdict {
  if (!isSuspicious(facts, options, house)) return NEUTRAL;
  const { by, name } = party;
  if (answer.kind === "not-asked") return { kind: "unknown", missing: ["greylist"], findings: [] };
  if (answer.kind === "unknown") {
    const findings = [{ symbol: "GREYLIST_UNKNOWN", score: 0, detail: answer.reason }];
    return { kind: "neutral", findings };
  }
  const seconds = String(Math.ceil(answer.waitMs / 1000));
  const detail = `${by} ${name}: ${answer.state}`;
  if (answer.waitMs > 0) {
    const findings = [{ symbol: "GREYLISTED", score: 0, detail }];
    return { kind: "defer", cause: "greylisted", about: { seconds }, findings };
  }
  return { kind: "neutral", findings: [{ symbol: "GREYLIST_PASSED", score: 0, detail }] };
}

function isSuspicious(
  { reports }: Pick<RcptFacts, "reports">,
  { delays, above }: GreylistOptions,
  house: House,
): boolean {
  if (delays === "nobody") return false;
  return suspicionOf(reports, house) > above || senderLevel(reports) > 0;
}

/** The SRL that the stage `reputation` found; 0 where it did not run or could not tell. */
function senderLevel(reports: RcptFacts["reports"]): number {
  const report = reports.find(
    ({ stage, outcome }) => stage === "reputation" && outcome === "judged",
  );
  const evidence = report?.evidence;
  if (typeof evidence !== "object" || evidence === null || !("srl" in evidence)) return 0;
  return typeof evidence.srl === "number" ? evidence.srl : 0;
}

function toTimes({ delaySeconds, windowHours, passDays }: GreylistOptions): GreylistTimes {
  const hour = 60 * 60 * 1000;
  return {
    delayMs: delaySeconds * 1000,
    windowMs: windowHours * hour,
    passMs: passDays * 24 * hour,
  };
}
