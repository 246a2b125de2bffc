import type { Json } from "../base/json.ts";
import { list, optional, text } from "./evidence-values.ts";
import { spfTerm } from "./sender-auth-sentences.ts";

const NOBODY: ReadonlyMap<string, string> = new Map([
  ["no-field", "no field of the header names a sender"],
  ["several-senders", "several fields Sender"],
  ["several-froms", "several fields From, and no Sender"],
  ["malformed", "the field that counts is not exactly one address"],
]);

const FAULTS: ReadonlyMap<string, string> = new Map([["no-domain", "the domain does not exist"]]);

export function senderIdSentences(evidence: Json): readonly string[] {
  const ip = text(evidence, "ip");
  const version1 = text(evidence, "usesVersion1") === "true";
  const checks = list(evidence, "checks").flatMap((check) => senderIdCheck(check, ip));
  return [...checks, ...(version1 ? [] : ["records of v=spf1 did not count"])];
}

function senderIdCheck(check: Json, ip: string): readonly string[] {
  const result = text(check, "result");
  const fault = optional(check, "fault") ?? "";
  const domain = optional(check, "domain");
  if (!domain) return [`${result}: nobody is responsible: ${NOBODY.get(fault) ?? fault}`];
  const header = optional(check, "header");
  const sender = text(check, "sender");
  const whose = header ? `${sender}, the responsible address in ${header}` : `MAIL FROM ${sender}`;
  const term = optional(check, "mechanism");
  const decided = term === null ? null : `decided by ${term}`;
  const why = optional(check, "problem") ?? FAULTS.get(fault) ?? decided;
  return [
    `${result} for ${ip} and ${whose}${why ? `: ${why}` : ""}`,
    ...list(check, "trace").map(spfTerm),
  ];
}
