import type { Json } from "../base/json.ts";

/**
 * What stages saw, in a postmaster's words. A sentence that does not find what it expects throws,
 * and the caller shows the outline of the evidence instead: stored evidence may be of another
 * version of its stage.
 */
type Sentences = (evidence: Json) => readonly string[];

const BY_STAGE: ReadonlyMap<string, Sentences> = new Map<string, Sentences>([
  ["dnsbl", dnsbl],
  ["spf", spf],
  ["domains", domains],
  ["dkim", dkim],
  ["from", from],
  ["dmarc", dmarc],
  ["attachments", attachments],
  ["antivirus", antivirus],
]);

/** Null when there are no words for it. Never throws. */
export function sayEvidence(stage: string, evidence: Json): readonly string[] | null {
  try {
    return BY_STAGE.get(stage)?.(evidence) ?? null;
  } catch {
    return null;
  }
}

function dnsbl(evidence: Json): readonly string[] {
  const zones = list(evidence, "zones");
  if (zones.length === 0) return ["no list was asked"];
  return zones.map((zone) => {
    const answers = list(zone, "answers").map(String).join(", ");
    const said = [answers, optional(zone, "reason"), quoted(optional(zone, "text"))];
    const details = said.filter(Boolean).join("; ");
    return `${text(zone, "zone")}: ${text(zone, "status")}${details ? ` (${details})` : ""}`;
  });
}

function spf(evidence: Json): readonly string[] {
  const identity = text(evidence, "identity") === "helo" ? "HELO name" : "sender's domain";
  const mechanism = optional(evidence, "mechanism");
  const by = mechanism ? `, decided by ${mechanism}` : "";
  const trace = list(evidence, "trace").map((entry) => {
    const lookups = list(entry, "lookups").map(spfLookup);
    const asked = lookups.length > 0 ? ` [${lookups.join(", ")}]` : "";
    return `  ${text(entry, "domain")} ${text(entry, "term")}: ${text(entry, "outcome")}${asked}`;
  });
  const problem = optional(evidence, "problem");
  const explanation = optional(evidence, "explanation");
  return [
    `${text(evidence, "result")} for ${text(evidence, "ip")} and the ${identity} ${text(evidence, "domain")}${by}`,
    ...(problem ? [`problem: ${problem}`] : []),
    ...(explanation ? [`the domain's own words: ${quoted(explanation)}`] : []),
    ...trace,
  ];
}

function spfLookup(lookup: Json): string {
  const found = list(lookup, "records").map(String).join(" | ");
  const said = found || optional(lookup, "reason") || "";
  const asked = `${text(lookup, "name")} ${text(lookup, "type")} ${text(lookup, "kind")}`;
  return said ? `${asked} ${said}` : asked;
}

function dkim(evidence: Json): readonly string[] {
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

function from(evidence: Json): readonly string[] {
  const author = member(evidence, "author");
  const fields = list(evidence, "fields").map((field) => `  ${String(field)}`);
  if (text(author, "kind") === "malformed")
    return [`nobody can say who it is from: ${text(author, "fault")}`, ...fields];
  const shown = optional(author, "display");
  const address = `${text(author, "localPart")}@${text(author, "domain")}`;
  return [shown ? `from ${address}, shown as ${quoted(shown)}` : `from ${address}`];
}

function dmarc(evidence: Json): readonly string[] {
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
function dnsAnswer(answer: Json): string {
  const said = list(answer, "records").map(String).join(" | ") || optional(answer, "reason") || "";
  return `${text(answer, "name")} TXT ${text(answer, "kind")}${said ? ` ${said}` : ""}`;
}

function domains(evidence: Json): readonly string[] {
  const probe = member(evidence, "probe");
  if (probe === null) return ["the hub was not asked"];
  const from = member(probe, "cached") === true ? ", from the cache" : "";
  const reply = optional(probe, "reply");
  return [`the hub was asked: ${text(probe, "kind")}${from}${reply ? `: ${reply}` : ""}`];
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

function quoted(words: string | null): string | null {
  return words === null ? null : `"${words}"`;
}

function member(value: Json, key: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new TypeError("expected an object");
  const members = value as { readonly [key: string]: Json | undefined };
  const found = Object.hasOwn(members, key) ? members[key] : undefined;
  if (found === undefined) throw new TypeError(`expected ${key}`);
  return found;
}

function list(value: Json, key: string): readonly Json[] {
  const found = member(value, key);
  if (!Array.isArray(found)) throw new TypeError(`expected ${key} to be a list`);
  return found;
}

function text(value: Json, key: string): string {
  const found = member(value, key);
  if (typeof found === "object") throw new TypeError(`expected ${key} to be a text`);
  return String(found);
}

function optional(value: Json, key: string): string | null {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return null;
  return member(value, key) === null ? null : text(value, key);
}
