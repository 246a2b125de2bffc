import { z } from "zod";
import { parseMailbox } from "../../mail/address.ts";
import { defineStage, type MailFacts, type Stage } from "../../pipeline/stage.ts";
import { NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import type { Rewriting } from "../../policy/rewriting.ts";
import { inArrow, rewritingStage } from "./rewriting-stage.ts";

/** MAIL FROM of mail that a hub sends out: the address that others may know. */
export const rewriteSenderStage: Stage<"mail", unknown> = defineStage<
  "mail",
  Rewriting,
  null,
  unknown
>({
  ...rewritingStage,
  name: "rewrite-sender",
  concerns: "ours",
  phase: "mail",
  options: z.custom<Rewriting>(),
  observe: async () => null,
  judge: judgeSender,
});

function judgeSender(_: null, { outbound }: Rewriting, { sender, relay }: MailFacts): Verdict {
  const target = relay && sender ? outbound.find(sender.localPart, sender.domain) : null;
  if (!target || !sender) return NEUTRAL;
  const address = parseMailbox(`${target.localPart ?? sender.localPart}@${target.domain}`);
  if (!address) {
    const detail = `${sender.spoken} would be too long, by ${target.by}`;
    return { kind: "neutral", findings: [{ symbol: "SENDER_NOT_REWRITTEN", score: 0, detail }] };
  }
  const detail = `${inArrow(sender, address)}, by ${target.by}`;
  return {
    kind: "neutral",
    findings: [{ symbol: "SENDER_REWRITTEN", score: 0, detail }],
    edits: [{ kind: "set-sender", sender: address }],
  };
}
