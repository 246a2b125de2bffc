import { z } from "zod";
import type { Clock } from "../../base/clock.ts";
import type { KeyFile } from "../../base/key-file.ts";
import { type Address, parseMailbox } from "../../mail/address.ts";
import { checkTag, type TagState, toTagged, withoutTag } from "../../mail/bounce-tag.ts";
import { isAlwaysReachable } from "../../mail/local-part.ts";
import { isSrsOf } from "../../mail/srs.ts";
import { editsOf, senderAfter } from "../../pipeline/edit.ts";
import { defineStage, type RcptFacts, type Stage } from "../../pipeline/stage.ts";
import { NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import type { BounceTagRule, Rewriting } from "../../policy/rewriting.ts";
import { inArrow, rewritingStage } from "./rewriting-stage.ts";

export interface BounceTagServices {
  readonly addressKeys: KeyFile;
  readonly clock: Clock;
}

/** What only the keys can say, so that a replay needs none. */
export type BounceTagEvidence =
  | { readonly kind: "none" }
  /** `tagged`: null when the address cannot bear a tag. */
  | { readonly kind: "out"; readonly tagged: string | null }
  | { readonly kind: "in"; readonly tag: TagState | "none" };

/**
 * BATV (draft-levine-smtp-batv): senders of ours leave with a tag that only we can make, so a bounce
 * without one answers mail that we never sent.
 */
export const bounceTagStage: Stage<"rcpt", BounceTagServices> = defineStage<
  "rcpt",
  Rewriting,
  BounceTagEvidence,
  BounceTagServices
>({
  ...rewritingStage,
  name: "bounce-tag",
  phase: "rcpt",
  precedes: ["rewrite-recipient", "domains"],
  options: z.custom<Rewriting>(),

  async observe(view, rewriting, { addressKeys, clock }) {
    const need = needOf(view, rewriting);
    if (!need) return { kind: "none" };
    const { validDays } = need.rule;
    const ring = await addressKeys.read();
    if (need.kind === "out") {
      const tagged = toTagged(need.sender, ring, clock.now(), validDays);
      return { kind: "out", tagged: tagged?.spoken ?? null };
    }
    return { kind: "in", tag: checkTag(view.recipient, ring, clock.now(), validDays) ?? "none" };
  },

  judge(evidence, rewriting, facts) {
    const need = needOf(facts, rewriting);
    if (!need) return NEUTRAL;
    if (evidence.kind !== need.kind)
      return { kind: "unknown", missing: ["the keys of bounce tags"], findings: [] };
    return need.kind === "out"
      ? judgeOut(need.sender, evidence.kind === "out" ? evidence.tagged : null)
      : judgeIn(need.rule, evidence.kind === "in" ? evidence.tag : "none", facts);
  },
});

type Need = { readonly rule: BounceTagRule } & (
  | { readonly kind: "out"; readonly sender: Address }
  | { readonly kind: "in" }
);

/**
 * Tags are for other people's servers: between our own nobody needs them. Nor do addresses of SRS,
 * which are signed themselves.
 */
function needOf(facts: RcptFacts, { srs, tagsOf, isAccepted }: Rewriting): Need | null {
  const { recipient, relay } = facts;
  if (srs && isSrsOf(srs, recipient)) return null;
  const own = tagsOf(recipient.domain);
  if (own) return { kind: "in", rule: own };
  const sender = senderAfter(facts.sender, editsOf(facts.reports));
  if (!relay || !sender || isAccepted(recipient.domain) || withoutTag(sender)) return null;
  const rule = tagsOf(sender.domain);
  return rule && { kind: "out", sender, rule };
}

function judgeOut(sender: Address, spoken: string | null): Verdict {
  const tagged = spoken === null ? null : parseMailbox(spoken);
  if (!tagged) {
    const detail = `${sender.spoken} is too long or too odd for a tag`;
    return { kind: "neutral", findings: [{ symbol: "BOUNCE_TAG_IMPOSSIBLE", score: 0, detail }] };
  }
  return {
    kind: "neutral",
    findings: [{ symbol: "BOUNCE_TAGGED", score: 0, detail: inArrow(sender, tagged) }],
    edits: [{ kind: "set-sender", sender: tagged }],
  };
}

/** The tag goes before anybody looks for the recipient, also where it is not asked for. */
function judgeIn(
  { mode }: BounceTagRule,
  tag: TagState | "none",
  { sender, relay, recipient }: RcptFacts,
): Verdict {
  const bare = withoutTag(recipient);
  const edits = bare ? [{ kind: "replace-recipient", address: bare } as const] : [];
  const isBounce = sender === null && !relay;
  if (!isBounce || isAlwaysReachable((bare ?? recipient).localPart))
    return { kind: "neutral", findings: [], edits };
  const detail = bare ? inArrow(recipient, bare) : recipient.spoken;
  const findings = [{ symbol: SYMBOLS[tag], score: 0, detail }];
  if (tag === "valid" || mode === "observe") return { kind: "neutral", findings, edits };
  return { kind: "reject", cause: "bounce-untagged", findings, edits };
}

const SYMBOLS: { readonly [T in TagState | "none"]: string } = {
  valid: "BOUNCE_TAG_VALID",
  none: "BOUNCE_UNTAGGED",
  expired: "BOUNCE_TAG_EXPIRED",
  forged: "BOUNCE_TAG_FORGED",
};
