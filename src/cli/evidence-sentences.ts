import type { Json } from "../base/json.ts";
import { arcSentences } from "./arc-sentences.ts";
import {
  greylistSentences,
  heloSentences,
  pregreetSentences,
  rateSentences,
  relaySentences,
  reverseDnsSentences,
} from "./connection-sentences.ts";
import { list, member, optional, optionalMember, quoted, text, words } from "./evidence-values.ts";
import { exceptionSentences, reputationSentences } from "./reputation-sentences.ts";
import {
  dkimSentences,
  dmarcSentences,
  fromAccessSentences,
  fromSentences,
  ownAuthorSentences,
  senderDomainSentences,
  spfSentences,
} from "./sender-auth-sentences.ts";
import { senderIdSentences } from "./sender-id-sentences.ts";
import { formatTime } from "./time-words.ts";

/**
 * What stages saw, in a postmaster's words. A sentence that does not find what it expects throws,
 * and the caller shows the outline of the evidence instead: stored evidence may be of another
 * version of its stage.
 */
type Sentences = (evidence: Json) => readonly string[];

const BY_STAGE: ReadonlyMap<string, Sentences> = new Map<string, Sentences>([
  ["access", exceptionSentences],
  ["dnsbl", dnsbl],
  ["connection-rate", rateSentences],
  ["reverse-dns", reverseDnsSentences],
  ["pregreet", pregreetSentences],
  ["helo", heloSentences],
  ["message-rate", rateSentences],
  ["rcpt-rate", rateSentences],
  ["greylist", greylistSentences],
  ["trusted-relay", relaySentences],
  ["sender-access", exceptionSentences],
  ["spf-access", exceptionSentences],
  ["reputation", reputationSentences],
  ["spf", spfSentences],
  ["sender-domain", senderDomainSentences],
  ["sender-rate", senderRate],
  ["recipient-rate", senderRate],
  ["domains", domains],
  ["dkim", dkimSentences],
  ["from", fromSentences],
  ["own-author", ownAuthorSentences],
  ["from-access", fromAccessSentences],
  ["arc", arcSentences],
  ["dmarc", dmarcSentences],
  ["sender-id", senderIdSentences],
  ["rewrite-sender", nothing],
  ["bounce-tag", bounceTag],
  ["rewrite-recipient", nothing],
  ["srs", srs],
  ["copies", nothing],
  ["rewrite-headers", headerAddresses],
  ["attachments", attachments],
  ["antivirus", antivirus],
  ["report", report],
]);

/** Null when there are no words for it. Never throws. */
export function sayEvidence(stage: string, evidence: Json): readonly string[] | null {
  try {
    return BY_STAGE.get(stage)?.(evidence) ?? null;
  } catch {
    return null;
  }
}

/** Of a report that we send ourselves. */
function report(evidence: Json): readonly string[] {
  const what = `the ${text(evidence, "kind")} report about ${text(evidence, "domain")}`;
  const messages = optional(evidence, "messages");
  const told = `: ${messages} messages of ${optional(evidence, "kinds")} kinds`;
  const left = Number(optional(evidence, "leftOut") ?? 0);
  return [
    `${what} on ${text(evidence, "day")} (UTC)${messages === null ? "" : told}`,
    ...(left > 0 ? [`${left} more messages had no room in it`] : []),
  ];
}

function dnsbl(evidence: Json): readonly string[] {
  const zones = list(evidence, "zones");
  if (zones.length === 0) return ["no list was asked"];
  return zones.map((zone) => {
    const answers = list(zone, "answers").map(String).join(", ");
    const demoted = optional(zone, "demoted");
    const said = [
      answers,
      optional(zone, "reason"),
      quoted(optional(zone, "text")),
      demoted && `refuses nobody: ${demoted}`,
    ];
    const details = said.filter(Boolean).join("; ");
    return `${text(zone, "zone")}: ${text(zone, "status")}${details ? ` (${details})` : ""}`;
  });
}

function domains(evidence: Json): readonly string[] {
  const skips = words(evidence, "skips");
  const skipped = skips.length > 0 ? [`at this domain ${skips.join(", ")} count for nothing`] : [];
  return [...recipientKnown(evidence), ...skipped];
}

const KNOWN: ReadonlyMap<string, string> = new Map([
  ["yes", "has the address"],
  ["tag", "has the address without its tag"],
  ["everyone", "has everyone of the domain"],
  ["no", "does not have the address"],
]);

function recipientKnown(evidence: Json): readonly string[] {
  const probe = member(evidence, "probe");
  const list = optionalMember(evidence, "list");
  if (list !== null) {
    const made = optional(list, "madeAt");
    const age =
      made === null
        ? ""
        : ` (made ${formatTime(Number(made))}, fresh until ${formatTime(Number(text(list, "freshUntil")))})`;
    return [`${text(list, "from")}${age} ${KNOWN.get(text(list, "known")) ?? text(list, "known")}`];
  }
  if (probe === null) return ["the hub was not asked"];
  if (text(probe, "kind") === "limited") return ["the hub was not asked: it was too often before"];
  const from = member(probe, "cached") === true ? ", from the cache" : "";
  const reply = optional(probe, "reply");
  return [`the hub was asked: ${text(probe, "kind")}${from}${reply ? `: ${reply}` : ""}`];
}

/** It judges by the envelope and the policy alone. */
function nothing(): readonly string[] {
  return [];
}

function bounceTag(evidence: Json): readonly string[] {
  const kind = text(evidence, "kind");
  if (kind !== "in") return [];
  const tag = text(evidence, "tag");
  return [tag === "none" ? "the recipient bears no tag" : `the tag of the recipient is ${tag}`];
}

function srs(evidence: Json): readonly string[] {
  if (text(evidence, "kind") !== "return") return [];
  return [`the recipient is an address that SRS makes: ${text(evidence, "result")}`];
}

function headerAddresses(evidence: Json): readonly string[] {
  const fields = list(evidence, "fields").map(String).join(", ");
  const unparsed = list(evidence, "unparsed").map(String).join(", ");
  const count = list(evidence, "addresses").length + Number(text(evidence, "omitted"));
  const said = fields ? [`${count} addresses in ${fields}`] : [];
  return unparsed ? [...said, `no address list: ${unparsed}`] : said;
}

function senderRate(evidence: Json): readonly string[] {
  const who = member(evidence, "who");
  if (who === null) return ["nobody of ours sent it"];
  const count = Math.ceil(Number(text(evidence, "count")));
  return [`the ${text(who, "by")} ${text(who, "name")} had ${count} to his account before`];
}

function attachments(evidence: Json): readonly string[] {
  const omitted = Number(text(evidence, "omitted"));
  const parts = list(evidence, "parts").flatMap((part) => attachmentPart(part));
  return [...parts, ...(omitted > 0 ? [`${omitted} parts or entries were not kept`] : [])];
}

function attachmentPart(part: Json): readonly string[] {
  const words = (key: string) => list(part, key).map(String);
  const names = words("fileNames").map((name) => `"${name}"`);
  const types = words("trueTypes").join(", ");
  const said = [
    words("declaredTypes").join(" and ") || "no type",
    ...(names.length > 0 ? [names.join(" or ")] : []),
    ...(types ? [`octets are ${types}`] : []),
    `${text(part, "decodedBytes")} octets`,
    ...words("notes"),
  ];
  const archive = member(part, "archive");
  const inside = archive === null ? [] : archiveSentences(archive);
  return [`part ${text(part, "path")}: ${said.join("; ")}`, ...inside];
}

/** Names of entries that one sentence shows; the evidence has all. */
const ENTRIES_SHOWN = 10;

function archiveSentences(archive: Json): readonly string[] {
  const entries = list(archive, "entries").map((entry) => {
    const locked = member(entry, "isEncrypted") === true ? " (encrypted)" : "";
    return `${list(entry, "names").map(String).join(" or ") || "no name"}${locked}`;
  });
  const more = entries.length - ENTRIES_SHOWN;
  const shown = entries.slice(0, ENTRIES_SHOWN).join(", ") + (more > 0 ? ` and ${more} more` : "");
  const notes = list(archive, "notes").map(String).join(", ");
  const said = `  ${text(archive, "kind")} of ${entries.length}: ${shown}`;
  return [notes ? `${said}; ${notes}` : said];
}

function antivirus(evidence: Json): readonly string[] {
  if (text(evidence, "kind") === "off") return ["no scanner: the settings say clamd: none"];
  const scanner = optional(evidence, "address") ?? "no scanner";
  const version = optional(evidence, "version");
  const by = version ? `${scanner} (${version})` : scanner;
  const failed = list(evidence, "failed").map(
    (one) => `${text(one, "address")} failed: ${text(one, "reason")}`,
  );
  return [`${scanResult(member(evidence, "result"))}, by ${by}`, ...scanned(evidence), ...failed];
}

function scanned(evidence: Json): readonly string[] {
  const scan = member(evidence, "scan");
  if (scan === null) return [];
  const parts = member(scan, "parts");
  const views = [`whole message: ${scanResult(member(scan, "raw"))}`];
  if (parts === null) return views;
  return views.concat(
    list(scan, "parts").map((part) => {
      const octets = text(part, "octets");
      return `part ${text(part, "path")}, ${octets} octets: ${scanResult(member(part, "result"))}`;
    }),
  );
}

function scanResult(result: Json): string {
  const kind = text(result, "kind");
  if (kind === "infected") return `infected: ${text(result, "name")}`;
  return kind === "clean" ? "clean" : `NOT scanned: ${text(result, "reason")}`;
}
