import type {
  DmarcResultFact,
  Fact,
  TlsSessionFact,
  TransactionRecord,
} from "../pipeline/facts.ts";
import { toSearchedIps } from "./searched-ips.ts";
import type { TraceRow } from "./tracking.ts";
import type { StoredFact } from "./tracking-store.ts";

/** A record beyond this is stored without the evidence that makes it so large. */
export const MAX_RECORD_CHARS: number = 1024 * 1024;
/** What counts as large then: the evidence of an ordinary stage is a hundredth of it. */
const MAX_PART_CHARS = 64 * 1024;

/** What goes into the file, and how many characters it holds in memory until then. */
export interface WeighedFact {
  readonly fact: StoredFact;
  readonly chars: number;
}

/** Throws when the fact is no plain JSON. */
export function toStoredFact(fact: Fact): WeighedFact {
  if (fact.kind === "decided") return fromRecord(fact.record);
  if (fact.kind === "dmarc-result") return fromDmarcResult(fact);
  return fact.kind === "tls-session" ? fromTlsSession(fact) : fromFact(fact);
}

/** Messages that have all of the result in common are counted as one. */
function fromDmarcResult({ kind, at, domain, policy, result }: DmarcResultFact): WeighedFact {
  const texts = { policy: JSON.stringify(policy), result: JSON.stringify(result) };
  const chars = texts.policy.length + texts.result.length;
  return { fact: { kind, at, day: dayOf(at), domain, ...texts }, chars };
}

/** A date in UTC. */
function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

/** What a mail server says of itself may change from session to session. */
const MAX_REASON_CHARS = 200;

/** Sessions that have all of this in common are counted as one. */
function fromTlsSession({ kind, at, domain, ...rest }: TlsSessionFact): WeighedFact {
  const { failure } = rest;
  const short = failure && { ...failure, reason: failure.reason.slice(0, MAX_REASON_CHARS) };
  const session = JSON.stringify({ ...rest, failure: short });
  return { fact: { kind, at, day: dayOf(at), domain, session }, chars: session.length };
}

function fromFact(
  fact: Exclude<Fact, { kind: "decided" | "tls-session" | "dmarc-result" }>,
): WeighedFact {
  const text = JSON.stringify(fact);
  const id = "id" in fact ? fact.id : null;
  return { fact: { kind: "fact", id, at: fact.at, fact: text }, chars: text.length };
}

function fromRecord(record: TransactionRecord): WeighedFact {
  const { id, decidedAt, sender, message } = record;
  const row = JSON.stringify(toTraceRow(record));
  const full = JSON.stringify(record);
  const text = full.length <= MAX_RECORD_CHARS ? full : JSON.stringify(withoutLargeParts(record));
  const fact: StoredFact = {
    kind: "decided",
    id,
    at: decidedAt,
    ip: toSearchedIps(record),
    senders: [sender, message?.from ?? ""].join("\n").toLowerCase(),
    recipients: record.recipients
      .map(({ address }) => address)
      .join("\n")
      .toLowerCase(),
    subject: (message?.subject ?? "").toLowerCase(),
    row,
    record: text,
  };
  return { fact, chars: text.length + row.length };
}

function toTraceRow(record: TransactionRecord): TraceRow {
  return {
    id: record.id,
    at: record.decidedAt,
    clientIp: record.client.ip,
    ...(record.origin && { originIp: record.origin.ip }),
    sender: record.sender,
    recipients: record.recipients.map(({ address }) => address),
    subject: record.message?.subject ?? null,
    action: record.action,
    cause: record.cause,
    reply: record.reply,
  };
}

/** A sender must not get out of the records by mail with monstrous evidence. */
function withoutLargeParts(record: TransactionRecord): TransactionRecord {
  const reports = record.reports.map((report) => ({
    ...report,
    evidence: isLarge(report.evidence) ? { leftOut: "too large to be stored" } : report.evidence,
    verdict: isLarge(report.verdict)
      ? { kind: "unknown" as const, findings: [], missing: ["a verdict of storable size"] }
      : report.verdict,
  }));
  return { ...record, reports };
}

function isLarge(value: unknown): boolean {
  return JSON.stringify(value).length > MAX_PART_CHARS;
}
