import type { Json } from "../base/json.ts";
import { list, member, optional, optionalMember, quoted, text } from "./evidence-values.ts";

export function spfSentences(evidence: Json): readonly string[] {
  const identity = text(evidence, "identity") === "helo" ? "HELO name" : "sender's domain";
  const mechanism = optional(evidence, "mechanism");
  const by = mechanism ? `, decided by ${mechanism}` : "";
  const trace = list(evidence, "trace").map(spfTerm);
  const problem = optional(evidence, "problem");
  const explanation = optional(evidence, "explanation");
  return [
    `${text(evidence, "result")} for ${text(evidence, "ip")} and the ${identity} ${text(evidence, "domain")}${by}`,
    ...(problem ? [`problem: ${problem}`] : []),
    ...(explanation ? [`the domain's own words: ${quoted(explanation)}`] : []),
    ...trace,
    ...heloSentences(evidence),
  ];
}

/** The second check of a sender who has a domain. */
function heloSentences(evidence: Json): readonly string[] {
  const check = optionalMember(evidence, "heloCheck");
  return check === null ? [] : spfSentences(check);
}

export function spfTerm(entry: Json): string {
  const lookups = list(entry, "lookups").map(spfLookup);
  const asked = lookups.length > 0 ? ` [${lookups.join(", ")}]` : "";
  return `  ${text(entry, "domain")} ${text(entry, "term")}: ${text(entry, "outcome")}${asked}`;
}

const DOMAIN_STATES: ReadonlyMap<string, string> = new Map([
  ["exists", "can get mail"],
  ["null-mx", "says that it takes no mail"],
  ["no-mail", "has neither mail server nor address"],
  ["missing", "does not exist"],
  ["unresolved", "cannot be looked up now"],
]);

export function senderDomainSentences(evidence: Json): readonly string[] {
  if (evidence === null) return ["the sender has no domain"];
  const status = text(evidence, "status");
  const answers = list(evidence, "answers").map((answer) => {
    const said = list(answer, "records").map(String).join(" | ") || optional(answer, "reason");
    return `  ${text(answer, "type")} ${text(answer, "kind")}${said ? ` ${said}` : ""}`;
  });
  return [`${text(evidence, "domain")} ${DOMAIN_STATES.get(status) ?? status}`, ...answers];
}

export function fromAccessSentences(evidence: Json): readonly string[] {
  const author = optionalMember(evidence, "author");
  if (author === null) {
    const named = list(evidence, "mentioned").map((one) => `  it names ${addressOf(one)}`);
    return ["nobody can say who it is from", ...named];
  }
  return [`From is ${addressOf(author)}`];
}

function addressOf(mailbox: Json): string {
  return `${text(mailbox, "localPart")}@${text(mailbox, "domain")}`;
}

function spfLookup(lookup: Json): string {
  const found = list(lookup, "records").map(String).join(" | ");
  const said = found || optional(lookup, "reason") || "";
  const asked = `${text(lookup, "name")} ${text(lookup, "type")} ${text(lookup, "kind")}`;
  return said ? `${asked} ${said}` : asked;
}

export function dkimSentences(evidence: Json): readonly string[] {
  const omitted = Number(text(evidence, "omitted"));
  const signatures = list(evidence, "signatures").flatMap(dkimSignature);
  if (signatures.length === 0) return ["no signature"];
  return [...signatures, ...(omitted > 0 ? [`${omitted} signatures were not looked at`] : [])];
}

function dkimSignature(signature: Json): readonly string[] {
  const reason = optional(signature, "reason");
  const bits = optional(signature, "keyBits");
  const how = [optional(signature, "algorithm"), bits ? `${bits} bits` : null];
  const details = [...how, optional(signature, "canonicalization")].filter(Boolean).join(", ");
  const who = `${optional(signature, "selector") || "?"} of ${optional(signature, "domain") || "?"}`;
  const testing = member(signature, "testing") === true ? "; its key is for tests" : "";
  const key = member(signature, "key");
  const signed = list(signature, "signed").map(String).join(", ");
  return [
    `${text(signature, "result")} for the key ${who} (${details})${reason ? `: ${reason}` : ""}${testing}`,
    ...(signed ? [`  it covers ${signed}`] : []),
    ...(key === null ? [] : [`  ${dnsAnswer(key)}`]),
  ];
}

export function fromSentences(evidence: Json): readonly string[] {
  const author = member(evidence, "author");
  const fields = list(evidence, "fields").map((field) => `  ${String(field)}`);
  if (text(author, "kind") === "malformed")
    return [`nobody can say who it is from: ${text(author, "fault")}`, ...fields];
  const shown = optional(author, "display");
  const address = `${text(author, "localPart")}@${text(author, "domain")}`;
  return [shown ? `from ${address}, shown as ${quoted(shown)}` : `from ${address}`];
}

export function ownAuthorSentences(evidence: Json): readonly string[] {
  const fields = list(evidence, "fields").map((field) => `  ${String(field)}`);
  const authors = list(evidence, "authors").map((author) =>
    text(author, "kind") === "malformed"
      ? `nobody can say who it is from: ${text(author, "fault")}`
      : `From is ${addressOf(author)}`,
  );
  return [...authors, ...fields];
}

export function dmarcSentences(evidence: Json): readonly string[] {
  const reason = optional(evidence, "reason");
  const domain = optional(evidence, "domain") ?? "no domain";
  const policy = member(evidence, "policy");
  const identities = list(evidence, "identities").map((identity) => {
    const aligned = optional(identity, "aligned");
    const words =
      aligned === "true" ? "aligned" : aligned === "false" ? "not aligned" : "undecided";
    return `  ${text(identity, "method")} ${text(identity, "result")} for ${text(identity, "domain")}: ${words}`;
  });
  return [
    `${text(evidence, "result")} for ${domain}${reason ? `: ${reason}` : ""}`,
    ...(policy === null ? [] : [dmarcPolicy(policy)]),
    ...identities,
    ...list(evidence, "answers").map((answer) => `  ${dnsAnswer(answer)}`),
  ];
}

function dmarcPolicy(policy: Json): string {
  const published = text(policy, "published");
  const effective = text(policy, "effective");
  const milder = published === effective ? "" : `, counts as ${effective} because of t=y`;
  return `${text(policy, "domain")} wants ${text(policy, "tag")}=${published}${milder}`;
}

/** A TXT look-up as the stages for DKIM and DMARC keep it. */
export function dnsAnswer(answer: Json): string {
  const said = list(answer, "records").map(String).join(" | ") || optional(answer, "reason") || "";
  return `${text(answer, "name")} TXT ${text(answer, "kind")}${said ? ` ${said}` : ""}`;
}
