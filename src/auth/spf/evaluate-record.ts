import { canonicalName } from "../../net/dns-name.ts";
import type { NameRule } from "../../net/resolver.ts";
import { expandDomain } from "./expand-macro.ts";
import type { MacroString } from "./macro-string.ts";
import { matchMechanism } from "./match-mechanism.ts";
import { type Directive, parseSpfRecord, type SpfRecord } from "./spf-record.ts";
import { permerror, type SpfFault, type SpfRun, unavailable } from "./spf-run.ts";

export type SpfResult =
  | "none"
  | "neutral"
  | "pass"
  | "fail"
  | "softfail"
  | "temperror"
  | "permerror";

/** The answer of check_host() for one domain (RFC 7208 4.1). */
export interface HostCheck {
  readonly result: SpfResult;
  /** The term that decided, or "default"; null when there was no record to decide. */
  readonly term: string | null;
  /** What went wrong, for a log; null otherwise. */
  readonly reason: string | null;
  /** Whose record decided, and its exp=, for the explanation. */
  readonly domain: string;
  readonly explanation: MacroString | null;
}

const RESULTS: { readonly [Q in Directive["qualifier"]]: SpfResult } = {
  "+": "pass",
  "-": "fail",
  "~": "softfail",
  "?": "neutral",
};

/**
 * check_host() of RFC 7208 4, for the sender's domain and for those of include and redirect. Only
 * the latter may hold macros of a sender, and so any printable character.
 */
export async function checkHost(
  run: SpfRun,
  domain: string,
  names: NameRule = "printable",
): Promise<HostCheck> {
  const found = await findRecord(run, domain, names);
  if (found === null) return noRecord(domain);
  if (found.kind === "fault") return broken(domain, found);
  for (const directive of found.record.directives) {
    const matched = run.isOver() ?? (await tryDirective(run, domain, directive));
    if (typeof matched === "object") return broken(domain, matched, directive.text);
    if (matched) return decided(domain, found.record, directive);
  }
  const { redirect } = found.record;
  if (redirect) return follow(run, domain, redirect);
  return {
    result: "neutral",
    term: "default",
    reason: null,
    domain,
    explanation: null,
  };
}

type FoundRecord = { readonly kind: "record"; readonly record: SpfRecord } | SpfFault | null;

/** RFC 7208 4.3 to 4.6; null: there is none. */
async function findRecord(run: SpfRun, domain: string, names: NameRule): Promise<FoundRecord> {
  if (!canonicalName(domain).includes(".")) return null;
  const term = run.trace.begin(domain, "record");
  const answer = await run.lookup(term, domain, "TXT", names);
  const fault = unavailable(answer);
  const texts = answer.kind === "found" ? run.select(answer.records) : [];
  const found = fault ?? selectRecord(texts);
  term.end(found === null ? "none" : found.kind === "fault" ? describe(found) : "found");
  return found;
}

function selectRecord(texts: readonly string[]): FoundRecord {
  const [text] = texts;
  if (text === undefined) return null;
  if (texts.length > 1) return permerror(`${texts.length} SPF records`);
  const parsed = parseSpfRecord(text);
  return parsed.kind === "record" ? parsed : permerror(parsed.reason);
}

async function tryDirective(
  run: SpfRun,
  domain: string,
  { mechanism, text }: Directive,
): Promise<boolean | SpfFault> {
  const term = run.trace.begin(domain, text);
  const includes = (target: string) => passes(run, target);
  const matched = await matchMechanism(mechanism, {
    run,
    term,
    domain,
    counted: true,
    includes,
  });
  term.end(typeof matched === "object" ? describe(matched) : matched ? "match" : "no match");
  return matched;
}

/** RFC 7208 5.2: the table of include. */
async function passes(run: SpfRun, target: string): Promise<boolean | SpfFault> {
  const { result, reason } = await checkHost(run, target);
  if (result === "temperror")
    return { kind: "fault", result, reason: reason ?? `include of ${target}` };
  if (result === "permerror") return permerror(reason ?? `include of ${target}`);
  if (result === "none") return permerror(`no SPF record at ${target}`);
  return result === "pass";
}

/** RFC 7208 6.1: the target's record takes the place of ours, its exp= included. */
async function follow(run: SpfRun, domain: string, redirect: MacroString): Promise<HostCheck> {
  const term = run.trace.begin(domain, "redirect");
  const fault = run.countTerm() ?? run.isOver();
  const target = fault ?? (await expandDomain(redirect, { run, term, domain, counted: true }));
  term.end(typeof target === "object" ? describe(target) : `to ${target}`);
  if (typeof target === "object") return broken(domain, target);
  const check = await checkHost(run, target);
  return check.result === "none" ? broken(domain, permerror(`no SPF record at ${target}`)) : check;
}

function decided(domain: string, record: SpfRecord, { qualifier, text }: Directive): HostCheck {
  const { explanation } = record;
  return { result: RESULTS[qualifier], term: text, reason: null, domain, explanation };
}

function noRecord(domain: string): HostCheck {
  return { result: "none", term: null, reason: null, domain, explanation: null };
}

function broken(domain: string, fault: SpfFault, term: string | null = null): HostCheck {
  return { result: fault.result, term, reason: fault.reason, domain, explanation: null };
}

function describe(fault: SpfFault): string {
  return `${fault.result}: ${fault.reason}`;
}
