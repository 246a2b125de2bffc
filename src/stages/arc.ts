import { z } from "zod";
import { type ArcCheck, type ArcSealed, createArcReading } from "../auth/arc/check-arc.ts";
import { createKeyLookup } from "../auth/dkim/key-lookup.ts";
import { type Clock, startDeadline } from "../base/clock.ts";
import { parseDomainName } from "../mail/domain-name.ts";
import { type LookupScope, type Resolver, withSignal } from "../net/resolver.ts";
import { defineStage, type Stage } from "../pipeline/stage.ts";
import type { Finding, Verdict } from "../pipeline/verdict.ts";

export interface ArcServices {
  readonly resolver: Resolver;
  readonly clock: Clock;
}

export type ArcEvidence = ArcCheck;

/** All keys, one after the other; mostly one to three. */
const WALL_MS = 6000;
/** Later than the wall, so that a slow zone is a fault of the chain and not a lost stage. */
const TIMEOUT_MS = 8000;
/**
 * Of the 50 queries of a message: a chain of fifty sealers must not starve DMARC, which comes next.
 */
const MAX_QUERIES = 20;

const sealer = z.string().transform((text, context) => {
  const domain = parseDomainName(text, { utf8: true });
  if (domain?.includes(".")) return domain;
  context.addIssue({ code: "custom", message: "expected a domain such as lists.example.org" });
  return z.NEVER;
});

const options = z.strictObject({
  /** d= of sealers whose word about DMARC is taken. Each of them can let any forgery in. */
  trustedSealers: z.array(sealer).default([]),
  scores: z
    .strictObject({
      none: z.number().default(0),
      pass: z.number().default(0),
      fail: z.number().default(0),
    })
    .prefault({}),
});

type ArcOptions = z.infer<typeof options>;

/**
 * The chain of custody of forwarded mail (RFC 8617). By itself it proves nothing: anybody seals. A
 * trusted sealer's word may keep DMARC from refusing mail that he changed or forwarded.
 */
export const arcStage: Stage<"data", ArcServices> = defineStage<
  "data",
  ArcOptions,
  ArcEvidence,
  ArcServices
>({
  name: "arc",
  phase: "data",
  timeoutMs: TIMEOUT_MS,
  onFailure: "open",
  trustable: true,
  concerns: "strangers",
  precedes: ["dmarc"],
  file: "sender-auth",
  section: "arc",
  options,

  check: ({ trustedSealers }, company) =>
    trustedSealers.length === 0 || company.get("dmarc")?.isPlaced
      ? []
      : [{ path: ["trustedSealers"], message: "counts for nothing without the stage `dmarc`" }],

  tap({ dns, receivedAt }, _options, { resolver, clock }, signal) {
    const reading = createArcReading();
    return {
      write: async (chunk) => reading.write(chunk),
      async end() {
        const wall = startDeadline(clock, WALL_MS, signal);
        const keys = createKeyLookup(resolver, withSignal(atMost(dns, MAX_QUERIES), wall.signal));
        try {
          return await reading.end({ keys, receivedAt });
        } finally {
          wall.clear();
        }
      },
      abort() {},
    };
  },

  judge(evidence, { trustedSealers, scores }): Verdict {
    const findings = [toFinding(evidence, scores)];
    const trusted = findTrusted(evidence, trustedSealers);
    const isProven = evidence.result === "pass";
    if (trusted !== null && (isProven || evidence.temporary)) {
      const symbol = isProven ? "ARC_TRUSTED" : "ARC_TRUST_UNKNOWN";
      findings.push({ symbol, score: 0, detail: trusted.domain });
    }
    return { kind: "neutral", findings };
  },
});

/**
 * Of the sealers at the end of the chain whom we trust without a gap, the first: he got the mail from
 * somebody we do not trust, and what he saw then counts. Whoever sealed before him may have made up
 * all of it. He must have seen DMARC pass for the very domain that stands in From now. The newest
 * signature must cover what people see, or a seal could be taken from one mail to another.
 */
function findTrusted(
  { sets, from, unsigned }: ArcEvidence,
  trustedSealers: readonly string[],
): ArcSealed | null {
  const firstTrusted = sets.findLastIndex(({ domain }) => !trustedSealers.includes(domain)) + 1;
  const sealed = sets[firstTrusted];
  if (!sealed?.dmarc || from === null || unsigned.length > 0) return null;
  return sealed.dmarc.result === "pass" && sealed.dmarc.from === from ? sealed : null;
}

function toFinding(evidence: ArcEvidence, scores: ArcOptions["scores"]): Finding {
  const { result, reason, temporary, sets } = evidence;
  const by = sets.at(-1)?.domain ?? "";
  const detail = [by, reason].filter(Boolean).join(": ");
  if (temporary) return { symbol: "ARC_TEMPERROR", score: 0, detail };
  return { symbol: `ARC_${result.toUpperCase()}`, score: scores[result], detail };
}

function atMost(scope: LookupScope, queries: number): LookupScope {
  let left = queries;
  return {
    signal: scope.signal,
    spend() {
      if (left === 0) return false;
      left -= 1;
      return scope.spend();
    },
  };
}
