import { z } from "zod";
import type { Clock } from "../../base/clock.ts";
import type { KeyFile } from "../../base/key-file.ts";
import { type Address, parseMailbox } from "../../mail/address.ts";
import { isSrsOf, readSrs, toSrs } from "../../mail/srs.ts";
import { editsOf, recipientAfter } from "../../pipeline/edit.ts";
import { defineStage, type RcptFacts, type Stage } from "../../pipeline/stage.ts";
import { NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import type { Rewriting } from "../../policy/rewriting.ts";
import { inArrow, rewritingStage } from "./rewriting-stage.ts";

export interface SrsServices {
  readonly addressKeys: KeyFile;
  readonly clock: Clock;
}

/** What only the keys can say, so that a replay needs none. */
export type SrsEvidence =
  | { readonly kind: "none" }
  /** Mail that we send on. `sender` is ours; null when the address cannot be made. */
  | { readonly kind: "forward"; readonly sender: string | null }
  /** A bounce that comes back. `sender` is who sent it first. */
  | {
      readonly kind: "return";
      readonly result: "valid" | "forged" | "stale";
      readonly sender: string | null;
    };

/**
 * A sender of ours for mail that is redirected to other people's domains, and the way back for its
 * bounces. Only bounces: whoever has seen an address of ours could otherwise send mail through us.
 */
export const srsStage: Stage<"rcpt", SrsServices> = defineStage<
  "rcpt",
  Rewriting,
  SrsEvidence,
  SrsServices
>({
  ...rewritingStage,
  name: "srs",
  concerns: "strangers",
  phase: "rcpt",
  precedes: ["domains"],
  options: z.custom<Rewriting>(),

  async observe(view, rewriting, { addressKeys, clock }) {
    const need = needOf(view, rewriting);
    const { srs } = rewriting;
    if (!need || !srs) return { kind: "none" };
    const ring = await addressKeys.read();
    if (need.kind === "forward") {
      const sender = toSrs(need.sender, ring, srs, clock.now());
      return { kind: "forward", sender: sender?.spoken ?? null };
    }
    const read = readSrs(view.recipient, ring, srs, clock.now());
    if (read.kind !== "sender") return { kind: "return", result: read.kind, sender: null };
    return { kind: "return", result: "valid", sender: read.address.spoken };
  },

  judge(evidence, rewriting, facts) {
    const need = needOf(facts, rewriting);
    if (!need) return NEUTRAL;
    if (evidence.kind !== need.kind)
      return { kind: "unknown", missing: [`the keys of SRS to ${need.kind}`], findings: [] };
    return evidence.kind === "forward"
      ? judgeForward(evidence.sender, facts)
      : judgeReturn(evidence, facts);
  },
});

type Need = { readonly kind: "return" } | { readonly kind: "forward"; readonly sender: Address };

/** A sender of our own domains needs no other: its SPF record names us. */
function needOf(facts: RcptFacts, { srs, isAccepted }: Rewriting): Need | null {
  const { recipient, sender, relay } = facts;
  if (!srs) return null;
  if (isSrsOf(srs, recipient)) return { kind: "return" };
  if (relay || !sender || isAccepted(sender.domain) || !isAccepted(recipient.domain)) return null;
  const to = recipientAfter(recipient, editsOf(facts.reports));
  return isAccepted(to.domain) ? null : { kind: "forward", sender };
}

function judgeForward(spoken: string | null, { sender }: RcptFacts): Verdict {
  const ours = spoken === null ? null : parseMailbox(spoken);
  const from = sender?.spoken ?? "";
  if (!ours || !sender) {
    const detail = `${from} is too long or too odd for it, and stays the sender`;
    return { kind: "neutral", findings: [{ symbol: "SRS_IMPOSSIBLE", score: 0, detail }] };
  }
  return {
    kind: "neutral",
    findings: [{ symbol: "SRS_FORWARDED", score: 0, detail: inArrow(sender, ours) }],
    edits: [{ kind: "set-sender", sender: ours }],
  };
}

type Returned = Extract<SrsEvidence, { readonly kind: "return" }>;

function judgeReturn({ result, sender }: Returned, facts: RcptFacts): Verdict {
  const address = sender === null ? null : parseMailbox(sender);
  if (facts.sender !== null) return refuse("SRS_NOT_A_BOUNCE", "only bounces come this way");
  if (result === "stale") return refuse("SRS_STALE", "made too long ago");
  if (result === "forged" || !address) return refuse("SRS_FORGED", "not made by us");
  return {
    kind: "neutral",
    findings: [{ symbol: "SRS_RETURNED", score: 0, detail: inArrow(facts.recipient, address) }],
    edits: [{ kind: "replace-recipient", address }],
  };
}

function refuse(symbol: string, detail: string): Verdict {
  return { kind: "reject", cause: "recipient-unknown", findings: [{ symbol, score: 0, detail }] };
}
