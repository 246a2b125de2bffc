import { z } from "zod";
import { checkDmarc, type DmarcCheck } from "../auth/dmarc/check-dmarc.ts";
import {
  type EvidenceReport,
  judgedEvidence,
  type SenderIdentity,
  senderIdentities,
} from "../auth/sender-identities.ts";
import { type Clock, startDeadline } from "../base/clock.ts";
import { readAuthor } from "../mail/author.ts";
import { parseDomainName } from "../mail/domain-name.ts";
import { type Resolver, withSignal } from "../net/resolver.ts";
import type { StageReport } from "../pipeline/report.ts";
import { type DataFacts, defineStage, type Stage } from "../pipeline/stage.ts";
import type { Finding, Verdict } from "../pipeline/verdict.ts";

export interface DmarcServices {
  readonly resolver: Resolver;
  readonly clock: Clock;
}

export type DmarcEvidence = DmarcCheck;

/** Eight names one after the other, most of them cached. */
const WALL_MS = 8000;
/** Later than the wall, so that a slow zone is a temperror with its answers and no lost stage. */
const TIMEOUT_MS = 9000;

const scores = z.strictObject({
  pass: z.number().default(0),
  none: z.number().default(0),
  /** The domain asks for nothing to be done (p=none, or t=y). */
  failNone: z.number().default(1),
  failQuarantine: z.number().default(4),
  failReject: z.number().default(6),
  temperror: z.number().default(0),
  permerror: z.number().default(2),
});

const options = z.strictObject({
  /** Mail that fails under p=reject, and under p=quarantine. */
  reject: z.enum(["reject", "quarantine", "stamp"]).default("reject"),
  quarantine: z.enum(["quarantine", "stamp"]).default("quarantine"),
  temperror: z.enum(["stamp", "defer"]).default("stamp"),
  /** Who makes us spend all our DNS queries must not get past DMARC by it. */
  permerror: z.enum(["reject", "quarantine", "stamp"]).default("quarantine"),
  scores: scores.prefault({}),
});

type DmarcOptions = z.infer<typeof options>;

/** What the owner of the domain in From wants done with mail that is not his (RFC 9989). */
export const dmarcStage: Stage<"data", DmarcServices> = defineStage<
  "data",
  DmarcOptions,
  DmarcEvidence,
  DmarcServices
>({
  name: "dmarc",
  phase: "data",
  timeoutMs: TIMEOUT_MS,
  onFailure: "closed",
  trustable: true,
  concerns: "strangers",
  file: "sender-auth",
  section: "dmarc",
  options,

  async observe(view, _options, { resolver, clock }, signal) {
    const author = readAuthor(view.message.headers);
    const domain = author.kind === "mailbox" ? author.domain : null;
    const wall = startDeadline(clock, WALL_MS, signal);
    const question = { domain, identities: identitiesOf(view), missing: missingOf(view.reports) };
    try {
      return await checkDmarc(question, resolver, withSignal(view.dns, wall.signal));
    } finally {
      wall.clear();
    }
  },

  judge(evidence, options, facts): Verdict {
    const finding = toFinding(evidence, options.scores);
    // Our own users: their hub signs later, or not at all, and knows them.
    if (facts.relay !== null) return { kind: "neutral", findings: [{ ...finding, score: 0 }] };
    const sealer = evidence.result === "fail" ? sealerIn("ARC_TRUSTED", facts.reports) : null;
    if (sealer !== null) {
      const trusted = { symbol: "DMARC_ARC_TRUSTED", score: 0, detail: sealer };
      return { kind: "neutral", findings: [{ ...finding, score: 0 }, trusted] };
    }
    return { ...orLater(dispose(evidence, options, facts), facts), findings: [finding] };
  },
});

/**
 * SPF that gave no answer is undecided for the domain it would have spoken of, and for no other: a
 * sender must not gain by making us wait for his own zone.
 */
function identitiesOf({ reports, sender, helo }: DataFacts): readonly SenderIdentity[] {
  const known = senderIdentities(reports);
  if (judgedEvidence(reports, "spf") !== null) return known;
  const domain = sender?.domain ?? parseDomainName(helo.name, { utf8: false });
  return domain ? [...known, { method: "spf", domain, result: "temperror" }] : known;
}

function missingOf(reports: readonly EvidenceReport[]): readonly string[] {
  return judgedEvidence(reports, "dkim") === null ? ["dkim"] : [];
}

/** Mail that a trusted sealer may vouch for is not refused for good while his key cannot be had. */
function orLater(disposition: Disposition, { reports }: DataFacts): Disposition {
  if (disposition.kind !== "reject" || sealerIn("ARC_TRUST_UNKNOWN", reports) === null)
    return disposition;
  return { kind: "defer", cause: "check-unavailable", about: disposition.about };
}

/**
 * A chain of ARC (RFC 8617) whose sealer we trust says that the mail was honest before it was
 * forwarded. The stage `arc` names him in this finding.
 */
function sealerIn(
  wanted: "ARC_TRUSTED" | "ARC_TRUST_UNKNOWN",
  reports: readonly StageReport[],
): string | null {
  const arc = reports.find(
    ({ stage, outcome, mode }) => stage === "arc" && outcome === "judged" && mode === "enforce",
  );
  const found = arc?.verdict.findings.find(({ symbol }) => symbol === wanted);
  return found ? (found.detail ?? "a trusted sealer") : null;
}

type Disposition =
  | { readonly kind: "neutral" }
  | {
      readonly kind: "reject" | "quarantine" | "defer";
      readonly cause: "dmarc-reject" | "dmarc-quarantine" | "check-unavailable";
      readonly about: Readonly<Record<string, string>>;
    };

function dispose(
  { result, policy, domain }: DmarcEvidence,
  { reject, quarantine, temperror, permerror }: DmarcOptions,
  { reports }: DataFacts,
): Disposition {
  const about = domain === null ? {} : { domain };
  if (result === "temperror" && temperror === "defer")
    return { kind: "defer", cause: "check-unavailable", about };
  if (result === "permerror")
    // Without an author the stage `from` decides, where it runs.
    return domain === null && judgedEvidence(reports, "from") !== null
      ? { kind: "neutral" }
      : toDisposition(permerror, about);
  if (result !== "fail") return { kind: "neutral" };
  if (policy?.effective === "reject") return toDisposition(reject, about);
  if (policy?.effective === "quarantine") return toDisposition(quarantine, about);
  return { kind: "neutral" };
}

function toDisposition(
  action: "reject" | "quarantine" | "stamp",
  about: Readonly<Record<string, string>>,
): Disposition {
  if (action === "stamp") return { kind: "neutral" };
  return { kind: action, cause: action === "reject" ? "dmarc-reject" : "dmarc-quarantine", about };
}

function toFinding(evidence: DmarcEvidence, scores: DmarcOptions["scores"]): Finding {
  const { result, reason, domain, policy } = evidence;
  const detail = [domain, reason].filter((text) => text !== null).join(": ");
  if (result !== "fail")
    return { symbol: `DMARC_${result.toUpperCase()}`, score: scores[result], detail };
  const effective = policy?.effective ?? "none";
  const { symbol, score } = {
    none: { symbol: "DMARC_FAIL", score: scores.failNone },
    quarantine: { symbol: "DMARC_QUARANTINE", score: scores.failQuarantine },
    reject: { symbol: "DMARC_REJECT", score: scores.failReject },
  }[effective];
  return {
    symbol,
    score,
    detail: `${detail}, ${policy?.tag}=${policy?.published} of ${policy?.domain}`,
  };
}
