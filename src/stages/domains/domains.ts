import { z } from "zod";
import { type Clock, startDeadline } from "../../base/clock.ts";
import type { Address } from "../../mail/address.ts";
import { isAlwaysReachable } from "../../mail/local-part.ts";
import { editsOf, recipientAfter } from "../../pipeline/edit.ts";
import { defineStage, type RcptFacts, type Stage } from "../../pipeline/stage.ts";
import type { Verdict } from "../../pipeline/verdict.ts";
import type { Known } from "../../policy/recipient-key.ts";
import type { CallOutRules, RecipientList, RoutedDomains } from "../../policy/snapshot.ts";
import type { RelayPermission } from "../../smtp/relay-permission.ts";
import { judgeKnown } from "./judge-recipient.ts";
import type { ProbeAnswer, RecipientProbe } from "./recipient-probe.ts";
import { isRoutingForm } from "./routing-form.ts";

export interface DomainsServices {
  readonly recipientProbe: RecipientProbe;
  readonly clock: Clock;
}

/** What was known of the recipient. Domains and lists are policy: judge looks them up again. */
export type DomainsEvidence = {
  /** The hub's answer, where it was asked. */
  readonly probe: ProbeAnswer | null;
  /** What the list said, for explain. */
  readonly list?: ListAnswer;
  /** Stages that count for nothing at this domain, for explain. */
  readonly skips?: readonly string[];
};

export type ListAnswer = {
  readonly from: string;
  readonly known: Known;
  /** Milliseconds since the epoch. */
  readonly madeAt?: number;
  readonly freshUntil?: number;
};

/** Below the rcpt budget of 8 s. */
const TIMEOUT_MS = 7000;
/**
 * A hub that takes longer counts as away, so its mail is taken and spooled. Below TIMEOUT_MS, whose
 * end would defer it.
 */
const PROBE_WAIT_MS = 5000;

/**
 * Which recipients we take mail for: no others, in no form of address (threats.md P5). Without this
 * stage we are an open relay, so nothing switches it off and nobody is trusted past it.
 */
export const domainsStage: Stage<"rcpt", DomainsServices> = defineStage<
  "rcpt",
  RoutedDomains,
  DomainsEvidence,
  DomainsServices
>({
  name: "domains",
  phase: "rcpt",
  timeoutMs: TIMEOUT_MS,
  onFailure: "closed",
  trustable: false,
  essential: true,
  file: "domains",
  // The policy loader compiles domains.yaml for the whole snapshot and hands its value on.
  options: z.custom<RoutedDomains>(),

  async observe({ recipient, reports }, domains, services, signal) {
    const routed = recipientAfter(recipient, editsOf(reports));
    const domain = isLookedUp(routed) ? domains.find(routed.domain) : null;
    if (!domain) return { probe: null };
    const { recipients } = domain;
    const skip = domains.find(recipient.domain)?.skip;
    const skips = skip ? { skips: [...skip] } : {};
    if (recipients.kind === "list")
      return { probe: null, list: askList(routed, recipients), ...skips };
    if (recipients.kind === "any") return { probe: null, ...skips };
    return { probe: await askHub(routed, recipients.rules, services, signal), ...skips };
  },

  judge: judgeRecipient,
});

function isLookedUp(recipient: Address): boolean {
  return !isRoutingForm(recipient) && !isAlwaysReachable(recipient.localPart);
}

function askList({ localPart, domain }: Address, list: RecipientList): ListAnswer {
  const { from, age } = list;
  const made = age ? { madeAt: age.madeAt, freshUntil: age.freshUntil } : {};
  return { from, known: list.find(localPart, domain), ...made };
}

async function askHub(
  recipient: Address,
  rules: CallOutRules,
  { recipientProbe, clock }: DomainsServices,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const deadline = startDeadline(clock, PROBE_WAIT_MS, signal);
  const { promise: late, resolve } = Promise.withResolvers<ProbeAnswer>();
  const unanswered = { kind: "unknown", reply: "no answer in time", cached: false } as const;
  deadline.signal.addEventListener("abort", () => resolve(unanswered), { once: true });
  try {
    return await Promise.race([recipientProbe.probe(recipient, deadline.signal, rules), late]);
  } finally {
    deadline.clear();
  }
}

function judgeRecipient(
  { probe }: DomainsEvidence,
  domains: RoutedDomains,
  facts: RcptFacts,
): Verdict {
  const { recipient, relay, reports } = facts;
  const routed = recipientAfter(recipient, editsOf(reports));
  if (isRoutingForm(recipient) || isRoutingForm(routed))
    return refuse("relay-denied", "RELAY_DENIED", "a routing form");
  // RFC 5321 4.5.1: the bare <postmaster> is ours whatever the domains are.
  if (recipient.domain === "") return { kind: "neutral", findings: [] };
  if (domains.find(recipient.domain) === null) return judgeForeign(recipient, domains, relay);
  const domain = domains.find(routed.domain);
  if (domain === null) return judgeRedirected(routed, domains);
  if ([recipient, routed].some(({ localPart }) => isAlwaysReachable(localPart)))
    return { kind: "neutral", findings: [] };
  return judgeKnown({ ...facts, recipient: routed }, domain, probe);
}

/**
 * Other people's domain in the place of one of ours: an earlier stage put it there, by the policy
 * or a signature of ours, and nobody by what he said.
 */
function judgeRedirected({ domain }: Address, domains: RoutedDomains): Verdict {
  if (domains.hasRoute(domain)) return { kind: "neutral", findings: [] };
  return refuse("no-route", "NO_ROUTE", `no connector in routing.yaml takes ${domain}`);
}

/** A domain that is not ours: only for whom the listener lets relay, and only where a way leads. */
function judgeForeign(
  { domain }: Address,
  domains: RoutedDomains,
  relay: RelayPermission | null,
): Verdict {
  // Also where older evidence says nothing of it: absence permits nothing.
  if (!relay) return refuse("relay-denied", "RELAY_DENIED", `${domain} is no accepted domain`);
  if (!domains.hasRoute(domain))
    return refuse("no-route", "NO_ROUTE", `no connector in routing.yaml takes ${domain}`);
  const detail = describePermission(relay);
  return { kind: "neutral", findings: [{ symbol: "RELAY_PERMITTED", score: 0, detail }] };
}

function describePermission(relay: RelayPermission): string {
  if (relay.by === "password") return `the client logged on as ${relay.user}`;
  if (relay.by === "network") return `the client is within ${relay.network}`;
  return `the client showed the certificate ${relay.fingerprint256} of ${relay.subject}`;
}

function refuse(cause: "relay-denied" | "no-route", symbol: string, detail: string): Verdict {
  return { kind: "reject", cause, findings: [{ symbol, score: 0, detail }] };
}
