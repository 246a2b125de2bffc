import type { Json } from "../base/json.ts";
import { list, member, optional, optionalMember, text } from "./evidence-values.ts";
import { formatTime } from "./time-words.ts";

/** What the stage `reputation` saw. The level and its terms stand in its mark. */
export function reputationSentences(evidence: Json): readonly string[] {
  const block = optionalMember(evidence, "block");
  if (block !== null)
    return [
      `blocked since ${formatTime(Number(text(block, "since")))} UTC, until ` +
        `${formatTime(Number(text(block, "until")))} UTC, by ${text(block, "by")}`,
    ];
  const away = optional(evidence, "away");
  if (away !== null) return [`what is known of it could not be asked: ${away}`];
  const seen = ["client", "network", "helo", "reverseDomain", "domain"].flatMap((key) => {
    const subject = optionalMember(evidence, key);
    return subject === null ? [] : [recordSentence(subject)];
  });
  return [reverseSentence(member(evidence, "reverse")), ...seen];
}

function reverseSentence(reverse: Json): string {
  const name = optional(reverse, "name");
  if (text(reverse, "status") === "unresolved") return "its reverse name could not be asked";
  if (name === null) return "it has no reverse name";
  const leads = member(reverse, "confirmed") === true ? "leads back to it" : "leads elsewhere";
  return `its reverse name ${name} ${leads}`;
}

function recordSentence(seen: Json): string {
  const subject = text(seen, "subject");
  const record = optionalMember(seen, "record");
  if (record === null) return `${subject}: not known`;
  const counts = member(record, "counts");
  const count = (name: string) => Number(text(counts, name));
  const bad = count("spam") + count("virus") + count("abuse");
  const since = formatTime(Number(text(record, "firstSeen")));
  const recipients = count("recipient") + count("unknownRecipient");
  const unknown =
    recipients > 0
      ? `; ${Math.round(count("unknownRecipient"))} of ${Math.round(recipients)} recipients unknown`
      : "";
  const total = Math.round(bad + count("ham"));
  return `${subject}: ${Math.round(bad)} of ${total} messages bad, known since ${since} UTC${unknown}`;
}

/** Of what operators made by command for this client or sender; what counted stands in the mark. */
export function exceptionSentences(evidence: Json): readonly string[] {
  const entry = optionalMember(evidence, "entry");
  const found = entry === null ? [] : [entry];
  const made = optionalMember(evidence, "entries") === null ? [] : list(evidence, "entries");
  return [...found, ...made].map((one) => {
    const whom = optional(one, "client") ?? optional(one, "match") ?? "?";
    return `${text(one, "list")} entry ${text(one, "key")} is for ${whom}`;
  });
}
