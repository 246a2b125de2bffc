import { z } from "zod";
import { defineStage, type RcptFacts, type Stage } from "../../pipeline/stage.ts";
import { NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import type { CopyRule, Rewriting } from "../../policy/rewriting.ts";
import { rewritingStage } from "./rewriting-stage.ts";

/**
 * Blind copies, for a journal. No finding: symbols are stamped on what recipients get, and they are
 * not to know. `explain` shows the edit.
 */
export const copiesStage: Stage<"rcpt", unknown> = defineStage<"rcpt", Rewriting, null, unknown>({
  ...rewritingStage,
  name: "copies",
  phase: "rcpt",
  options: z.custom<Rewriting>(),
  observe: async () => null,
  judge: judgeCopies,
});

function judgeCopies(_: null, { copies }: Rewriting, facts: RcptFacts): Verdict {
  const meant = new Map(
    copies.filter((rule) => isMeant(rule, facts)).map(({ to }) => [to.spoken, to]),
  );
  if (meant.size === 0) return NEUTRAL;
  const edits = [...meant.values()].map((address) => ({ kind: "add-recipient", address }) as const);
  return { kind: "neutral", findings: [], edits };
}

/** By the addresses as they were spoken to us. */
function isMeant({ recipients, senders }: CopyRule, { recipient, sender }: RcptFacts): boolean {
  if (recipients && !recipients.find(recipient.localPart, recipient.domain)) return false;
  if (!senders) return true;
  return sender !== null && senders.find(sender.localPart, sender.domain) !== null;
}
