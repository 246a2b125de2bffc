import type { TransactionId } from "../base/ids.ts";
import type { Address } from "../mail/address.ts";
import { type HeaderField, unfold } from "../mail/header-block.ts";
import { lenientName } from "../mail/lenient-name.ts";
import { toMailDate } from "../mail/mail-date.ts";
import type { Decision } from "../pipeline/decision.ts";
import { type Plan, pipelineOf } from "../pipeline/plan.ts";
import type { StageReport } from "../pipeline/report.ts";
import type { MailFacts } from "../pipeline/stage.ts";
import { authenticationResults } from "./auth-headers.ts";
import { claimsAuthservId } from "./claimed-authserv-id.ts";
import { countOwnPasses } from "./own-passes.ts";
import { receivedSpf } from "./received-spf.ts";
import type { Snapshot } from "./session-state.ts";

/** What every copy of a message is stamped with, beside its recipient's decision. */
export interface StampContext {
  readonly id: TransactionId;
  readonly facts: MailFacts;
  readonly reports: readonly StageReport[];
  /** Named in `for` only when it is the one recipient (RFC 5321 7.2). */
  readonly onlyRecipient: Address | null;
  /** The names of all our listeners: nobody else may speak under any of them. */
  readonly authservIds: readonly string[];
  readonly snapshot: Snapshot;
  readonly at: number;
}

export interface HeaderLine {
  readonly name: string;
  readonly value: string;
}

/** Headers added on top, in the order of behaviour.md section 7, then those of stages. */
export function stampHeaders(context: StampContext, decision: Decision): readonly HeaderLine[] {
  const { facts, reports } = context;
  const authservId = facts.listener.hostname;
  return [
    { name: "Received", value: received(context) },
    { name: "Authentication-Results", value: authenticationResults(authservId, reports) },
    ...receivedSpf(authservId, reports).map((value) => ({ name: "Received-SPF", value })),
    { name: "X-Postern-Id", value: context.id },
    ...verdictHeaders(context, decision),
    ...decision.edits.flatMap((edit) => (edit.kind === "add-header" ? [edit] : [])),
  ];
}

/** What we think of the message, for the hub. Mail of ours may go without it to the outside. */
function verdictHeaders(
  { facts, snapshot }: StampContext,
  decision: Decision,
): readonly HeaderLine[] {
  const pipeline = pipelineOf(facts.relay);
  if (pipeline === "outbound" && snapshot.outbound.headers.verdict === "remove") return [];
  return [
    { name: "X-Postern-SCL", value: String(decision.scl) },
    { name: "X-Postern-Report", value: reportValue(snapshot.version, decision) },
    ...(snapshot.headers.spamCompatibility ? spamHeaders(snapshot.plans[pipeline], decision) : []),
  ];
}

/**
 * True for an inbound field that claims to be ours, or that the header firewall keeps out: a sender
 * must not be able to speak for the gateway or for the hub.
 */
export function isForgedField(
  field: HeaderField,
  context: StampContext,
  decision: Decision,
): boolean {
  const { name, value } = readLeniently(field);
  const { snapshot, authservIds } = context;
  if (name.startsWith("x-postern-")) return true;
  if (snapshot.headers.spamCompatibility && SPAM_HEADERS.has(name)) return true;
  if (snapshot.headers.firewall.some((pattern) => matches(pattern, name))) return true;
  if (pipelineOf(context.facts.relay) === "outbound" && isOfInside({ name, value }, context))
    return true;
  if (name === "authentication-results" || name === "received-spf")
    return authservIds.some((id) => claimsAuthservId(name, value, id));
  return decision.edits.some(
    (edit) => edit.kind === "remove-header" && edit.name.toLowerCase() === name,
  );
}

/**
 * What the outside is not to see. Received fields that we wrote stay: they are how a loop through us
 * is found (own-passes.ts) when those of other hosts do not count up any more.
 */
function isOfInside({ name, value }: HeaderLine, { snapshot, authservIds }: StampContext): boolean {
  const { remove, received } = snapshot.outbound.headers;
  if (name !== "received") return remove.some((pattern) => matches(pattern, name));
  return received === "remove" && countOwnPasses([value], authservIds) === 0;
}

/** A line that is no field to us is one to a reader that unfolds before it looks for the colon. */
function readLeniently(field: HeaderField): HeaderLine {
  const name = lenientName(field);
  if (field.name !== "") return { name, value: field.rawValue };
  const [, ...rest] = unfold(field.rawValue).split(":");
  return { name, value: rest.join(":") };
}

const SPAM_HEADERS: ReadonlySet<string> = new Set([
  "x-spam-flag",
  "x-spam-status",
  "x-spam-score",
  "x-spam-level",
]);

/** `name` or `prefix*`, without case. */
function matches(pattern: string, name: string): boolean {
  const lower = pattern.toLowerCase();
  return lower.endsWith("*") ? name.startsWith(lower.slice(0, -1)) : name === lower;
}

/**
 * RFC 5321 4.4; protocol words of RFC 3848 and RFC 6531. Where the Received fields of the inside are
 * removed, ours does not name the client either.
 */
function received({ id, facts, onlyRecipient, at, snapshot }: StampContext): string {
  const { client, helo, tls, listener, mail, relay } = facts;
  const address = client.ip.includes(":") ? `IPv6:${client.ip}` : client.ip;
  const base = mail.smtputf8 ? "UTF8SMTP" : helo.verb === "EHLO" ? "ESMTP" : "SMTP";
  const comment = tls ? ` (${tls.protocol} ${tls.cipher})` : "";
  const spoken = onlyRecipient?.spoken;
  const target = spoken && !/[^\x20-\x7e]/.test(spoken) ? ` for <${spoken}>` : "";
  const protocol = `${base}${tls ? "S" : ""}${relay?.by === "password" ? "A" : ""}`;
  const hides = relay !== null && snapshot.outbound.headers.received === "remove";
  const from = hides ? "" : `from ${helo.name} ([${address}]) `;
  return `${from}by ${listener.hostname} (Postern) with ${protocol}${comment} id ${id}${target}; ${toMailDate(at)}`;
}

function reportValue(version: string, decision: Decision): string {
  const symbols = symbolList(decision);
  const fields = [
    "v=1",
    `policy=${version}`,
    `score=${decision.score}`,
    `symbols=${symbols}`,
    `degraded=${decision.degraded.join(",")}`,
  ];
  if (decision.would) fields.push(`would=${decision.would}`);
  return fields.join("; ");
}

/** RFC 5322 2.1.1 allows 998 octets a line, and a list without blanks cannot be folded. */
const LONGEST_LIST = 800;

function symbolList(decision: Decision): string {
  const all = decision.findings.map(({ symbol }) => symbol).join(",");
  return all.length <= LONGEST_LIST ? all : all.slice(0, all.lastIndexOf(",", LONGEST_LIST));
}

const MOST_STARS = 50;

function spamHeaders(
  plan: Pick<Plan<never>, "scoring">,
  decision: Decision,
): readonly HeaderLine[] {
  const { quarantine, reject } = plan.scoring.thresholds;
  const required = quarantine ?? reject;
  const isSpam = required !== null && decision.score >= required;
  const tests = symbolList(decision);
  const stars = Math.max(0, Math.min(MOST_STARS, Math.floor(decision.score)));
  const verdict = isSpam ? "Yes" : "No";
  return [
    { name: "X-Spam-Flag", value: isSpam ? "YES" : "NO" },
    {
      name: "X-Spam-Status",
      value: `${verdict}, score=${decision.score} required=${required ?? "none"} tests=${tests || "none"}`,
    },
    { name: "X-Spam-Score", value: String(decision.score) },
    ...(stars > 0 ? [{ name: "X-Spam-Level", value: "*".repeat(stars) }] : []),
  ];
}
