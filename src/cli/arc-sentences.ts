import type { Json } from "../base/json.ts";
import { list, member, optional, text, words } from "./evidence-values.ts";
import { dnsAnswer } from "./sender-auth-sentences.ts";

export function arcSentences(evidence: Json): readonly string[] {
  const result = text(evidence, "result");
  if (result === "none") return ["no chain"];
  const reason = optional(evidence, "reason");
  const later = member(evidence, "temporary") === true ? ", which may be otherwise later" : "";
  const open = words(evidence, "unsigned").join(" and ");
  return [
    `the chain is ${result}${reason ? `: ${reason}` : ""}${later}`,
    ...list(evidence, "sets").map(sealer),
    ...(open ? [`  its newest signature leaves ${open} to anybody: no sealer is believed`] : []),
    ...list(evidence, "keys").map((answer) => `  ${dnsAnswer(answer)}`),
  ];
}

function sealer(set: Json): string {
  const dmarc = member(set, "dmarc");
  const who = `  ${text(set, "instance")}: sealed by ${text(set, "domain")}`;
  if (dmarc === null) return `${who}, who says nothing of DMARC`;
  const from = optional(dmarc, "from");
  return `${who}, who says he saw DMARC ${text(dmarc, "result")}${from ? ` for ${from}` : ""}`;
}
