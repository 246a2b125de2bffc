import type { Clock } from "../../base/clock.ts";
import type { Metrics } from "../../base/metrics.ts";
import type { Resolver, TlsaRecord } from "../../net/resolver.ts";
import type { FactBus, TlsFailure, TlsPolicyFacts, TlsSessionFact } from "../../pipeline/facts.ts";
import { formatTlsa } from "../../smtp/dane-records.ts";
import type { TlsDemand } from "../../smtp/remote-tls.ts";
import { connectorDemand } from "../hubs/connector-demand.ts";
import { type DaneFinding, findDane } from "./dane-lookup.ts";
import type { MtaSts, StsFinding } from "./mta-sts.ts";
import { isMxAllowed, policyLines } from "./mta-sts-policy.ts";
import { failureOf, isAboutTls } from "./tls-failure.ts";
import type { MxQuestion, RulingGround, TlsPolicy, TlsRuling } from "./tls-policy.ts";

export interface MxTlsPolicyOptions {
  readonly resolver: Resolver;
  readonly mtaSts: MtaSts;
  readonly facts: FactBus;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

type Demanded = TlsRuling & { readonly kind: "demand" };
type Ruled = (TlsRuling & { readonly kind: "skip" } & RulingGround) | Demanded;
type Records = DaneFinding & { readonly kind: "records" };

/**
 * DANE, where DNSSEC vouches for all of it, else MTA-STS in mode enforce (RFC 8461 2: DANE is never
 * overruled), else DANE for the host alone or with records that nobody can use, else what the
 * connector says. A policy raises what the
 * connector demands and never lowers it; `tls: none`, `pinned` and `mutual` are the operator's own
 * word about these hosts, and then nobody else is asked.
 */
export function createMxTlsPolicy(options: MxTlsPolicyOptions): TlsPolicy {
  const outcomes = options.metrics.counter(
    "postern_tls_policy_total",
    "MX hosts by the policy that ruled their TLS and what came of it",
    ["policy", "result"],
  );
  const count = (policy: TlsPolicyFacts, result: "met" | "reported" | "unmet" | "skipped") =>
    outcomes.add({ policy: LABELS[policy.type], result });
  return {
    async rule(question) {
      const ruled = await ruleOn(options, question);
      if (ruled.kind === "demand") return ruled;
      const { policy, trouble, reason } = ruled;
      count(policy, "skipped");
      tell(options, question, policy, { failure: trouble, ip: null, ownIp: null });
      return { kind: "skip", reason };
    },
    ended(question, ruling, session) {
      // A report about sessions that were only there to report would go on for ever.
      if (question.ignoresPolicies || !isOpen(question)) return;
      // It failed before TLS could: that is no session in the sense of RFC 8460.
      if (!isAboutTls(session)) return;
      const about = ruling.kind === "demand" ? ruling.about : undefined;
      const { policy, trouble } = about ?? groundOf(noPolicy(question));
      const failure = failureOf(session) ?? trouble;
      const isUp = session.kind === "connected";
      count(policy, isUp ? (failure ? "reported" : "met") : "unmet");
      const { address: ip = null, ownAddress: ownIp = null } = session;
      tell(options, question, policy, { failure, ip, ownIp });
    },
  };
}

function tell(
  { facts, clock }: MxTlsPolicyOptions,
  { domain, host: mxHost }: MxQuestion,
  policy: TlsPolicyFacts,
  session: Pick<TlsSessionFact, "failure" | "ip" | "ownIp">,
): void {
  facts.emit({ kind: "tls-session", at: clock.now(), domain, policy, mxHost, ...session });
}

const LABELS = { tlsa: "dane", sts: "mta-sts", "no-policy-found": "none" } as const;

async function ruleOn(options: MxTlsPolicyOptions, question: MxQuestion): Promise<Ruled> {
  const { connector, scope, domain } = question;
  const own = connectorDemand(connector, question.host);
  const plain: Demanded = { kind: "demand", demand: own, about: groundOf(noPolicy(question)) };
  const { to } = connector;
  if (to.kind !== "mx" || !isOpen(question)) return plain;
  if (question.ignoresPolicies) return { ...plain, policy: "a TLS report: no policy is asked" };
  const { dane: asksDane = true, mtaSts: asksSts = true } = to;
  const dane = asksDane ? await findDane(options.resolver, question) : NO_DANE;
  if (dane.kind === "unknown") return skipUnknown(question, dane.reason);
  const hasOwnWord = dane.kind === "records" && dane.isEndToEnd && dane.usable.length > 0;
  if (hasOwnWord) return ruleDane(question, dane, own);
  const sts = asksSts ? await options.mtaSts.find(domain, scope) : NO_STS;
  const enforced = ruleEnforced(question, sts, own);
  if (enforced) return enforced;
  if (dane.kind === "records") return ruleDane(question, dane, own);
  return ruleTesting(question, sts, own) ?? plain;
}

/** Others mean that the operator knows better about these hosts than their domains do. */
function isOpen({ connector }: MxQuestion): boolean {
  return OPEN_MODES.includes(connector.tls.mode);
}

const OPEN_MODES: readonly string[] = ["opportunistic", "required", "verified"];

const NO_DANE: DaneFinding = { kind: "none" };
const NO_STS: StsFinding = { kept: null, trouble: null };

/** RFC 7672 2.1.2: a TLSA look-up that fails may be an attacker's doing. */
function skipUnknown({ host }: MxQuestion, reason: string): Ruled {
  const policy: TlsPolicyFacts = { type: "tlsa", domain: host, strings: [] };
  const trouble: TlsFailure = { type: "dnssec-invalid", reason };
  return { kind: "skip", reason: `DANE cannot be asked: ${reason}`, policy, trouble };
}

function ruleDane({ domain, host }: MxQuestion, found: Records, own: TlsDemand): Ruled {
  const { all, usable, isEndToEnd, base } = found;
  const strings = all.slice(0, MAX_TOLD_RECORDS).map(toToldRecord);
  const policy: TlsPolicyFacts = { type: "tlsa", domain: base, strings };
  const of = base === host ? "" : ` of ${base}`;
  if (usable.length > 0) {
    // RFC 7672 3.2.2: who could forge the MX could have a certificate for the domain as well.
    const names = [...new Set([base, host, ...(isEndToEnd ? [domain] : [])])];
    return {
      kind: "demand",
      demand: { kind: "dane", records: usable, names },
      policy: `DANE, ${usable.length} TLSA ${usable.length === 1 ? "record" : "records"}${of}`,
      about: groundOf(policy),
    };
  }
  // RFC 7672 2.2: then there is nothing to check by, but the zone has said that there is TLS.
  const reason = "none of the TLSA records can be used";
  return {
    kind: "demand",
    demand: own.kind === "verified" ? own : { kind: "required" },
    policy: `DANE, ${reason}${of}: TLS whatever the certificate`,
    about: groundOf(policy, { type: "tlsa-invalid", reason }),
  };
}

/** Of what a zone holds, in facts and in the log: whole certificates are long. */
const MAX_TOLD_RECORDS = 8;
const MAX_TOLD_CHARS = 4096;

function toToldRecord(record: TlsaRecord): string {
  return formatTlsa(record).slice(0, MAX_TOLD_CHARS);
}

/** Null: no policy is enforced. */
function ruleEnforced(
  { domain, host }: MxQuestion,
  { kept, trouble }: StsFinding,
  own: TlsDemand,
): Ruled | null {
  if (kept?.policy.mode !== "enforce") return null;
  const policy = stsFacts(domain, kept);
  if (!isMxAllowed(kept.policy, host)) {
    const reason = `the MTA-STS policy of ${domain} does not allow the host ${host}`;
    const failure: TlsFailure = { type: "validation-failure", reason };
    return { kind: "skip", reason, policy, trouble: failure };
  }
  return {
    kind: "demand",
    // The connector may know by itself which authority and which name it must be.
    demand: own.kind === "verified" ? own : { kind: "verified", names: [host] },
    policy: `MTA-STS enforce, ${host} is allowed`,
    about: groundOf(policy, toFailure(trouble)),
  };
}

/** What is told and changes nothing: mode testing, and a policy that cannot be had. */
function ruleTesting(question: MxQuestion, sts: StsFinding, own: TlsDemand): Demanded | null {
  const { domain, host } = question;
  const { kept, trouble } = sts;
  const isTesting = kept?.policy.mode === "testing";
  if (!isTesting && !trouble) return null;
  const about = groundOf(stsFacts(domain, isTesting ? kept : null), toFailure(trouble));
  if (!isTesting) return { kind: "demand", demand: own, about };
  const wish = { kind: "verified", names: [host] } as const;
  const isOpen = own.kind === "opportunistic" || own.kind === "required";
  const isAllowed = isMxAllowed(kept.policy, host);
  const reason = `the MTA-STS policy of ${domain} does not allow the host ${host}`;
  return {
    kind: "demand",
    demand: isOpen ? { ...own, wish } : own,
    policy: `MTA-STS testing, ${host} is ${isAllowed ? "" : "not "}allowed`,
    about: isAllowed ? about : { ...about, trouble: { type: "validation-failure", reason } },
  };
}

function stsFacts(domain: string, kept: StsFinding["kept"]): TlsPolicyFacts {
  const { policy } = kept ?? {};
  return {
    type: "sts",
    domain,
    strings: policy ? policyLines(policy) : [],
    mx: policy?.mx ?? [],
  };
}

function toFailure(trouble: StsFinding["trouble"]): TlsFailure | null {
  return trouble && { type: trouble.fault, reason: trouble.reason };
}

function noPolicy({ domain }: MxQuestion): TlsPolicyFacts {
  return { type: "no-policy-found", domain };
}

function groundOf(policy: TlsPolicyFacts, trouble: TlsFailure | null = null): RulingGround {
  return { policy, trouble };
}
