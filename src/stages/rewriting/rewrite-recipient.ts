import { z } from "zod";
import { type Address, parseMailbox } from "../../mail/address.ts";
import { editsOf, recipientAfter } from "../../pipeline/edit.ts";
import { defineStage, type RcptFacts, type Stage } from "../../pipeline/stage.ts";
import { NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import type { Rewriting } from "../../policy/rewriting.ts";
import { inArrow, rewritingStage } from "./rewriting-stage.ts";

/** RCPT TO of mail that comes in, before anybody asks whether the recipient exists. */
export const rewriteRecipientStage: Stage<"rcpt", unknown> = defineStage<
  "rcpt",
  Rewriting,
  null,
  unknown
>({
  ...rewritingStage,
  name: "rewrite-recipient",
  concerns: "strangers",
  phase: "rcpt",
  precedes: ["srs", "domains"],
  options: z.custom<Rewriting>(),
  observe: async () => null,
  judge: judgeRecipient,
});

function judgeRecipient(_: null, rewriting: Rewriting, facts: RcptFacts): Verdict {
  if (facts.relay) return NEUTRAL;
  const { inbound, redirects } = rewriting;
  const recipient = recipientAfter(facts.recipient, editsOf(facts.reports));
  const redirected = redirects.find(recipient.localPart, recipient.domain);
  const target = redirected ?? inbound.find(recipient.localPart, recipient.domain);
  if (!target) return NEUTRAL;
  const address = parseMailbox(`${target.localPart ?? recipient.localPart}@${target.domain}`);
  if (!address) return refuse(recipient, target.by);
  const detail = `${inArrow(recipient, address)}, by ${target.by}`;
  const symbol = redirected ? "RECIPIENT_REDIRECTED" : "RECIPIENT_REWRITTEN";
  return {
    kind: "neutral",
    findings: [{ symbol, score: 0, detail }],
    edits: [{ kind: "replace-recipient", address }],
  };
}

/** Nobody can have an address that is too long to be spoken. */
function refuse({ spoken }: Address, by: string): Verdict {
  const detail = `${spoken} would be too long, by ${by}`;
  const findings = [{ symbol: "RECIPIENT_NOT_REWRITTEN", score: 0, detail }];
  return { kind: "reject", cause: "recipient-unknown", findings };
}
