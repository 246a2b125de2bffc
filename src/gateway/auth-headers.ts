import type { StageReport } from "../pipeline/report.ts";
import type { SpfEvidence } from "../stages/spf.ts";

/** RFC 8601 value for our own Authentication-Results; `none` when nothing was checked. */
export function authenticationResults(authservId: string, reports: readonly StageReport[]): string {
  const spf = spfEvidence(reports);
  if (!spf) return `${authservId}; none`;
  const property = spf.identity === "helo" ? "smtp.helo" : "smtp.mailfrom";
  return `${authservId}; spf=${spf.result} ${property}=${quoted(spf.domain)}`;
}

/** RFC 7208 9.1: no value when SPF was not checked. */
export function receivedSpf(receiver: string, reports: readonly StageReport[]): readonly string[] {
  const spf = spfEvidence(reports);
  if (!spf) return [];
  const pairs = [
    `client-ip=${quoted(spf.ip)}`,
    `envelope-from=${quoted(spf.sender)}`,
    `helo=${quoted(spf.helo)}`,
    `identity=${spf.identity}`,
    `receiver=${quoted(receiver)}`,
  ];
  const comment = `${receiver}: ${PHRASES[spf.result]} ${printable(spf.domain)}`;
  return [`${spf.result} (${comment}) ${pairs.join("; ")}`];
}

const PHRASES: { readonly [R in SpfEvidence["result"]]: string } = {
  none: "no SPF record at",
  neutral: "nothing said about this client by",
  pass: "client permitted by",
  fail: "client not permitted by",
  softfail: "client probably not permitted by",
  temperror: "temporary error in the look-up of",
  permerror: "unusable SPF record at",
};

function spfEvidence(reports: readonly StageReport[]): SpfEvidence | null {
  const report = reports.find(({ stage, outcome }) => stage === "spf" && outcome === "judged");
  return report ? (report.evidence as unknown as SpfEvidence) : null;
}

/**
 * True when an inbound field bears our name, in whatever case, folded, quoted or behind comments
 * (RFC 8601 5). Received-SPF has no fixed place for the receiver, so the name anywhere counts.
 */
export function claimsAuthservId(field: string, rawValue: string, authservId: string): boolean {
  const ours = authservId.toLowerCase();
  const value = rawValue.toLowerCase();
  if (field === "received-spf") return value.includes(ours);
  return firstToken(value).replace(/\.$/, "") === ours;
}

/** The authserv-id: the first token or quoted string after comments and white space. */
function firstToken(value: string): string {
  let at = 0;
  while (at < value.length) {
    const char = value[at] ?? "";
    if (/\s/.test(char)) at += 1;
    else if (char === "(") at = afterComment(value, at);
    else break;
  }
  if (value[at] === '"') return unquote(value, at + 1);
  const end = value.slice(at).search(/[\s;(]/);
  return end < 0 ? value.slice(at) : value.slice(at, at + end);
}

function afterComment(value: string, start: number): number {
  let depth = 0;
  for (let at = start; at < value.length; at++) {
    if (value[at] === "\\") at += 1;
    else if (value[at] === "(") depth += 1;
    else if (value[at] === ")" && --depth === 0) return at + 1;
  }
  return value.length;
}

function unquote(value: string, start: number): string {
  let text = "";
  for (let at = start; at < value.length && value[at] !== '"'; at++) {
    if (value[at] === "\\") at += 1;
    text += value[at] ?? "";
  }
  return text.trim();
}

/** A token as it is, anything else as a quoted string: a sender cannot add a result of his own. */
function quoted(text: string): string {
  const clean = printable(text);
  if (/^[A-Za-z0-9.!#$%&'*+/?^_`{|}~:-]+$/.test(clean)) return clean;
  return `"${clean.replace(/[\\"]/g, "\\$&")}"`;
}

/** For a comment or a quoted string: no controls, nothing that opens or ends a comment. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").replace(/[()]/g, "?");
}
