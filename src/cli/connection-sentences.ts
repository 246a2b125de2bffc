import type { Json } from "../base/json.ts";
import { list, member, optional, text } from "./evidence-values.ts";
import { formatSpan, formatTime } from "./time-words.ts";

const REVERSE: ReadonlyMap<string, string> = new Map([
  ["confirmed", "has a name that leads back to it"],
  ["unconfirmed", "has a name that does not lead back to it"],
  ["none", "has no name"],
  ["temporary", "cannot be looked up now"],
]);

const NAMED: ReadonlyMap<string, string> = new Map([
  ["confirmed", "has the address"],
  ["other", "has another address"],
  ["none", "does not exist or has no address"],
  ["temporary", "cannot be looked up now"],
]);

export function reverseDnsSentences(evidence: Json): readonly string[] {
  const status = text(evidence, "status");
  const reason = optional(evidence, "reason");
  const omitted = Number(text(evidence, "omitted"));
  const names = list(evidence, "names").map((name) => {
    const found = list(name, "addresses").map(String).join(", ") || optional(name, "reason");
    const generic = optional(name, "generic");
    const state = NAMED.get(text(name, "status")) ?? text(name, "status");
    return `  ${text(name, "name")} ${state}${found ? ` (${found})` : ""}${generic ? `; looks like the name of a line: ${generic}` : ""}`;
  });
  return [
    `${text(evidence, "client")} ${REVERSE.get(status) ?? status}${reason ? `: ${reason}` : ""}`,
    ...names,
    ...(omitted > 0 ? [`  ${omitted} more names were not looked at`] : []),
  ];
}

const FORMS: ReadonlyMap<string, string> = new Map([
  ["domain", "a name"],
  ["literal", "an address"],
  ["bare-address", "an address without brackets"],
  ["single-label", "a name without a domain"],
  ["malformed", "nothing that can be a host name"],
]);

export function heloSentences(evidence: Json): readonly string[] {
  const form = text(evidence, "form");
  const said = `the client calls itself ${text(evidence, "name")}, ${FORMS.get(form) ?? form}`;
  const own = member(evidence, "isOurAddress") === true ? [`this machine has that address`] : [];
  const lookup = member(evidence, "lookup");
  if (lookup === null) return [said, ...own];
  const addresses = list(lookup, "addresses").map(String).join(", ");
  const status = text(lookup, "status");
  if (status === "found") return [`${said}, which has the address ${addresses}`, ...own];
  const reason = optional(lookup, "reason");
  const state = status === "none" ? "which has no address" : "which cannot be looked up now";
  return [`${said}, ${state}${reason ? ` (${reason})` : ""}`, ...own];
}

export function pregreetSentences(evidence: Json): readonly string[] {
  const seconds = Number(text(evidence, "delaySeconds"));
  const score = text(evidence, "suspicion");
  if (seconds === 0) return [`with a score of ${score} the client need not wait for its greeting`];
  return [`with a score of ${score} the client waits ${seconds} s, unless it has waited before`];
}

export function rateSentences(evidence: Json): readonly string[] {
  const counts = list(evidence, "counts");
  if (counts.length === 0) return ["nothing is counted"];
  return counts.map((one) => {
    const name = optional(one, "name");
    const by = text(one, "by");
    if (name === null) return `nobody to count by ${by}`;
    return `the ${by} ${name} had ${Math.ceil(Number(text(one, "count")))} to its account before`;
  });
}

const STATES: ReadonlyMap<string, string> = new Map([
  ["new", "it had not come before"],
  ["early", "it came again too early"],
  ["passes", "it came again in time"],
  ["passed", "it had come again in time before"],
]);

export function greylistSentences(evidence: Json): readonly string[] {
  const answer = member(evidence, "answer");
  const kind = text(answer, "kind");
  if (kind === "not-asked") return ["not suspicious enough to be delayed"];
  const party = member(evidence, "party");
  const whose = text(party, "by") === "spf" ? "the servers of" : "the network";
  const who = `${whose} ${text(party, "name")} with mail from <${text(party, "sender")}>`;
  if (kind === "unknown")
    return [`${who}: nobody can tell, so it is not delayed (${text(answer, "reason")})`];
  const state = text(answer, "state");
  const wait = Number(text(answer, "waitMs"));
  const since = `first at ${formatTime(Number(text(answer, "firstSeen")))}`;
  const left = wait > 0 ? `; ${formatSpan(wait)} to wait` : "";
  return [`${who}: ${STATES.get(state) ?? state}, ${since}${left}`];
}

export function relaySentences(evidence: Json): readonly string[] {
  if (evidence === null) return ["no trusted relay brought it"];
  const hops = list(evidence, "hops").map((hop) => {
    const from = optional(hop, "from");
    const helo = optional(hop, "helo");
    const said = helo ? `, which called itself ${helo}` : "";
    return `  ${text(hop, "by")} had it ${from ? `from ${from}${said}` : "of its own"}`;
  });
  const origin = member(evidence, "origin");
  const relay = `the trusted relay ${text(evidence, "relay")} brought it`;
  if (origin === null)
    return [
      `${relay}, and nobody can tell where from: ${text(evidence, "problem")}`,
      ...hops,
      "what judges the client was not asked",
    ];
  return [`${relay}; judged in its place is ${text(origin, "ip")}`, ...hops];
}
