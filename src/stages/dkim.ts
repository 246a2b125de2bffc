import { z } from "zod";
import { createDkimReading, type DkimCheck, MAX_SIGNATURES } from "../auth/dkim/check-dkim.ts";
import { createKeyLookup } from "../auth/dkim/key-lookup.ts";
import type { DkimResult, DkimSignatureCheck } from "../auth/dkim/verify-signature.ts";
import { type Clock, startDeadline } from "../base/clock.ts";
import { type Resolver, withSignal } from "../net/resolver.ts";
import { defineStage, type Stage } from "../pipeline/stage.ts";
import type { Finding, Verdict } from "../pipeline/verdict.ts";

export interface DkimServices {
  readonly resolver: Resolver;
  readonly clock: Clock;
}

export type DkimEvidence = DkimCheck;

/** All keys together; they are asked for at once, and each twice at most in 4 s. */
const WALL_MS = 6000;
/** Later than the wall, so that a slow zone is a temperror of its own signature alone. */
const TIMEOUT_MS = 8000;

const scores = z.strictObject({
  pass: z.number().default(0),
  fail: z.number().default(0.5),
  policy: z.number().default(0.5),
  none: z.number().default(0),
  temperror: z.number().default(0),
  permerror: z.number().default(0.5),
});

/** What RFC 6376 5.4.1 wants signed and somebody could gain by changing. From goes without saying. */
const COVERED = [
  "from",
  "sender",
  "reply-to",
  "subject",
  "date",
  "message-id",
  "to",
  "cc",
  "mime-version",
  "content-type",
] as const;

const options = z.strictObject({
  /** A signature that leaves one of these to anybody counts as `policy`, which is no pass. */
  mustSign: z.array(z.enum(COVERED)).default(["from", "subject"]),
  scores: scores.prefault({}),
});

type DkimOptions = z.infer<typeof options>;

/** Verifies DKIM signatures. It refuses nobody: a broken signature is as none (RFC 6376 6.1). */
export const dkimStage: Stage<"data", DkimServices> = defineStage<
  "data",
  DkimOptions,
  DkimEvidence,
  DkimServices
>({
  name: "dkim",
  phase: "data",
  timeoutMs: TIMEOUT_MS,
  // The wall ends before: what fails here is no zone, and DMARC must not be blind for it.
  onFailure: "closed",
  trustable: true,
  concerns: "strangers",
  precedes: ["from", "from-access", "dmarc"],
  file: "sender-auth",
  section: "dkim",
  options,

  tap({ dns, receivedAt }, { mustSign }, { resolver, clock }, signal) {
    const reading = createDkimReading();
    return {
      write: async (chunk) => reading.write(chunk),
      async end() {
        const wall = startDeadline(clock, WALL_MS, signal);
        const keys = createKeyLookup(resolver, withSignal(dns, wall.signal));
        try {
          return await reading.end({ receivedAt, keys, mustSign: namesOf(mustSign) });
        } finally {
          wall.clear();
        }
      },
      abort() {},
    };
  },

  judge(evidence, { mustSign, scores }): Verdict {
    if (namesOf(mustSign).join() !== evidence.mustSign.join())
      return { kind: "unknown", missing: ["signatures under this mustSign"], findings: [] };
    return { kind: "neutral", findings: toFindings(evidence, scores) };
  },
});

function namesOf(mustSign: DkimOptions["mustSign"]): readonly string[] {
  return COVERED.filter((name) => name === "from" || mustSign.includes(name));
}

/** The best one counts: a list's broken signature says nothing about the list's own. */
const BEST_FIRST: readonly DkimResult[] = ["pass", "temperror", "policy", "fail", "permerror"];

function toFindings(
  { signatures, omitted }: DkimEvidence,
  scores: DkimOptions["scores"],
): readonly Finding[] {
  if (signatures.length === 0) return [{ symbol: "DKIM_NONE", score: scores.none }];
  const findings = BEST_FIRST.flatMap((result, i): readonly Finding[] => {
    const such = signatures.filter((signature) => signature.result === result);
    if (such.length === 0) return [];
    const better = BEST_FIRST.slice(0, i);
    const isBest = !signatures.some((signature) => better.includes(signature.result));
    const detail = such.map(describe).join("; ");
    return [{ symbol: `DKIM_${result.toUpperCase()}`, score: isBest ? scores[result] : 0, detail }];
  });
  return [...findings, ...oddities(signatures, omitted)];
}

function oddities(signatures: readonly DkimSignatureCheck[], omitted: number): readonly Finding[] {
  const appended = signatures.filter(
    ({ length, bodyOctets }) => length !== null && bodyOctets !== null && bodyOctets > length,
  );
  const findings: Finding[] = [];
  if (appended.length > 0)
    findings.push({
      symbol: "DKIM_BODY_APPENDED",
      score: 0,
      detail: appended.map(describe).join("; "),
    });
  if (omitted > 0) {
    const detail = `${omitted} beyond the first ${MAX_SIGNATURES}`;
    findings.push({ symbol: "DKIM_TOO_MANY", score: 0, detail });
  }
  return findings;
}

function describe({ domain, reason }: DkimSignatureCheck): string {
  return reason === null ? domain : `${domain || "?"}: ${reason}`;
}
