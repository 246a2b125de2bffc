import type { Address } from "../../mail/address.ts";
import type { HeaderBlock } from "../../mail/header-block.ts";
import { type IpAddress, parseIp } from "../../net/ip.ts";
import type { LookupScope, Resolver } from "../../net/resolver.ts";
import { checkHost, type HostCheck, type SpfResult } from "../spf/evaluate-record.ts";
import { createSpfRun } from "../spf/spf-run.ts";
import { createSpfTrace, type SpfTraceEntry } from "../spf/spf-trace.ts";
import { type PraFault, type PraHeader, selectPurportedAuthor } from "./purported-author.ts";
import { chooseRecords, type SenderIdScope } from "./sender-id-record.ts";

export interface SenderIdQuestion {
  /** The client, in any form. */
  readonly ip: string;
  readonly headers: HeaderBlock;
  /** MAIL FROM; the scope mfrom has nothing to check for the null sender. */
  readonly sender: Address | null;
  readonly helo: string;
  /** Our own host name. */
  readonly receiver: string;
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
  readonly scopes: readonly SenderIdScope[];
  /** Records of v=spf1 speak for a domain without one of spf2.0 (RFC 4406 3.4). */
  readonly usesVersion1: boolean;
}

/** Why a check failed (RFC 4406 4.2 tells these apart). */
export type SenderIdFault = "not-permitted" | "no-domain" | PraFault;

/** One scope that was checked. Plain JSON, with all that a replay needs. */
export type ScopeCheck = {
  readonly scope: SenderIdScope;
  readonly result: SpfResult;
  readonly fault: SenderIdFault | null;
  /** The field that holds the PRA; null for mfrom, and without a PRA. */
  readonly header: PraHeader | null;
  /** Empty without a PRA. */
  readonly sender: string;
  readonly domain: string;
  /** The term that decided, "default" when none did, null without a record. */
  readonly mechanism: string | null;
  readonly problem: string | null;
  readonly trace: readonly SpfTraceEntry[];
  /** Terms left out of the trace. */
  readonly omitted: number;
};

export type SenderIdCheck = {
  readonly ip: string;
  readonly checks: readonly ScopeCheck[];
  /** Under which rule records were chosen. */
  readonly usesVersion1: boolean;
};

/**
 * Whether the client may send for who put the message on its way (RFC 4406, over the evaluator of
 * SPF and its limits). Does not throw for anything that a sender or a zone can do.
 */
export async function checkSenderId(
  question: SenderIdQuestion,
  resolver: Pick<Resolver, "lookup">,
  scope: LookupScope,
): Promise<SenderIdCheck> {
  const ip = parseIp(question.ip);
  if (!ip) throw new Error(`no IP address: ${question.ip}`);
  const checks: ScopeCheck[] = [];
  for (const name of question.scopes) {
    const check = await checkScope(name, ip, question, resolver, scope);
    if (check) checks.push(check);
  }
  return { ip: ip.text, checks, usesVersion1: question.usesVersion1 };
}

interface Subject {
  readonly scope: SenderIdScope;
  readonly header: PraHeader | null;
  readonly localPart: string;
  readonly domain: string;
}

async function checkScope(
  name: SenderIdScope,
  ip: IpAddress,
  question: SenderIdQuestion,
  resolver: Pick<Resolver, "lookup">,
  scope: LookupScope,
): Promise<ScopeCheck | null> {
  if (name === "mfrom") {
    const { sender } = question;
    if (!sender) return null;
    const { localPart, domain } = sender;
    const subject: Subject = { scope: name, header: null, localPart, domain };
    return evaluate(subject, ip, question, resolver, scope);
  }
  const author = selectPurportedAuthor(question.headers);
  if (author.kind === "none") return withoutAuthor(author.fault);
  return evaluate({ scope: name, ...author }, ip, question, resolver, scope);
}

/** RFC 4406 5: mail that names nobody responsible fails. */
function withoutAuthor(fault: PraFault): ScopeCheck {
  return {
    scope: "pra",
    result: "fail",
    fault,
    header: null,
    sender: "",
    domain: "",
    mechanism: null,
    problem: null,
    trace: [],
    omitted: 0,
  };
}

async function evaluate(
  { scope: name, header, localPart, domain }: Subject,
  ip: IpAddress,
  { helo, receiver, receivedAt, usesVersion1 }: SenderIdQuestion,
  resolver: Pick<Resolver, "lookup">,
  scope: LookupScope,
): Promise<ScopeCheck> {
  const trace = createSpfTrace();
  const timestamp = Math.floor(receivedAt / 1000);
  const subject = { ip, localPart, senderDomain: domain, helo, receiver, timestamp };
  const choice = chooseRecords(name, usesVersion1);
  const run = createSpfRun(subject, trace, resolver, scope, choice);
  const check = await checkHost(run, domain, "host");
  const entries = trace.entries();
  const { result, fault } = toOutcome(name, check, entries);
  return {
    scope: name,
    result,
    fault,
    header,
    sender: `${localPart}@${domain}`,
    domain,
    mechanism: check.term,
    problem: check.reason,
    trace: entries,
    omitted: trace.omitted(),
  };
}

/** RFC 4406 4.3: a responsible address at a domain that does not exist fails; SPF says none. */
function toOutcome(
  scope: SenderIdScope,
  { result }: HostCheck,
  trace: readonly SpfTraceEntry[],
): Pick<ScopeCheck, "result" | "fault"> {
  if (result === "fail") return { result, fault: "not-permitted" };
  const [first] = trace;
  // Without a look-up the name is one label, which no mail domain is.
  const isMissing = !first || first.lookups[0]?.reason === "nxdomain";
  if (scope === "pra" && result === "none" && isMissing)
    return { result: "fail", fault: "no-domain" };
  return { result, fault: null };
}
