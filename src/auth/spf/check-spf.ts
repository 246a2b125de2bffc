import type { Address } from "../../mail/address.ts";
import { parseIp } from "../../net/ip.ts";
import type { LookupScope, Resolver } from "../../net/resolver.ts";
import { checkHost, type HostCheck, type SpfResult } from "./evaluate-record.ts";
import { expandDomain, expandText } from "./expand-macro.ts";
import { parseExplainString } from "./macro-string.ts";
import { createSpfRun, type SpfRun } from "./spf-run.ts";
import { createSpfTrace, type SpfTraceEntry } from "./spf-trace.ts";

export interface SpfQuestion {
  /** The client, in any form. */
  readonly ip: string;
  /** Null, the null reverse-path: the HELO name is checked instead (RFC 7208 2.4). */
  readonly sender: Address | null;
  readonly helo: string;
  /** Our own host name. */
  readonly receiver: string;
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
}

/** Plain JSON with all that Received-SPF, Authentication-Results and explain need. */
export type SpfCheck = {
  readonly result: SpfResult;
  readonly identity: "mailfrom" | "helo";
  /** The domain that was checked. */
  readonly domain: string;
  /** What was checked as the sender: an address, for HELO `postmaster@` its name. */
  readonly sender: string;
  readonly ip: string;
  readonly helo: string;
  /** The term that decided, "default" when none did, null without a record. */
  readonly mechanism: string | null;
  /** What is wrong with the record or with DNS; null otherwise. */
  readonly problem: string | null;
  /** The domain's own words about a fail: printable ASCII. Not ours, so never to be trusted. */
  readonly explanation: string | null;
  readonly trace: readonly SpfTraceEntry[];
  /** Terms left out of the trace. */
  readonly omitted: number;
};

/** A reply line has 512 octets with everything else in it (RFC 5321 4.5.3.1.5). */
const MAX_EXPLANATION = 240;

/**
 * Whether the client may use the sender's domain (RFC 7208). Bounded by the limits of RFC 7208
 * 4.6.4, by the budget and by the signal of the scope; what cannot be finished is permerror or
 * temperror, never a pass. Does not throw for anything that a sender or a zone can do.
 */
export async function checkSpf(
  question: SpfQuestion,
  resolver: Resolver,
  scope: LookupScope,
): Promise<SpfCheck> {
  const ip = parseIp(question.ip);
  if (!ip) throw new Error(`no IP address: ${question.ip}`);
  const { sender, helo } = question;
  const localPart = sender?.localPart || "postmaster";
  const domain = sender ? sender.domain : helo;
  const trace = createSpfTrace();
  const subject = {
    ip,
    localPart,
    senderDomain: domain,
    helo,
    receiver: question.receiver,
    timestamp: Math.floor(question.receivedAt / 1000),
  };
  const run = createSpfRun(subject, trace, resolver, scope);
  const check = await checkHost(run, domain, "host");
  const explanation = check.result === "fail" ? await explain(run, check) : null;
  return {
    result: check.result,
    identity: sender ? "mailfrom" : "helo",
    domain,
    sender: `${localPart}@${domain}`,
    ip: ip.text,
    helo,
    mechanism: check.term,
    problem: check.reason,
    explanation,
    trace: trace.entries(),
    omitted: trace.omitted(),
  };
}

/**
 * RFC 7208 6.2: whatever is wrong with an explanation, the result stays and there is none. It is
 * asked for once, after the result, and counts against no limit but the budget.
 */
async function explain(run: SpfRun, check: HostCheck): Promise<string | null> {
  if (!check.explanation) return null;
  const { domain } = check;
  const term = run.trace.begin(domain, "exp");
  const text = await findExplanation(run, check, term);
  term.end(text === null ? "no explanation" : "explained");
  return text;
}

type Term = ReturnType<SpfRun["trace"]["begin"]>;

async function findExplanation(run: SpfRun, check: HostCheck, term: Term): Promise<string | null> {
  const { domain, explanation } = check;
  if (!explanation) return null;
  const place = { run, term, domain, counted: false };
  const target = await expandDomain(explanation, place);
  if (typeof target === "object") return null;
  const answer = await run.lookup(term, target, "TXT");
  const [record] = answer.kind === "found" && answer.records.length === 1 ? answer.records : [];
  const macros = record === undefined ? null : parseExplainString(record);
  if (!macros) return null;
  const text = await expandText(macros, place, MAX_EXPLANATION);
  return typeof text === "string" ? text.replace(/[^\x20-\x7e]/g, "?") : null;
}
