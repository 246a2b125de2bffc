import assert from "node:assert/strict";
import type { Address } from "../../src/mail/address.ts";
import { parseForwardPath } from "../../src/mail/address.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import type { RcptFacts, Views } from "../../src/pipeline/stage.ts";
import type { Verdict } from "../../src/pipeline/verdict.ts";
import { defaultCallOutRules } from "../../src/policy/call-out-rules.ts";
import { toDomains } from "../../src/policy/domains.ts";
import type { AcceptedDomain, RecipientSource } from "../../src/policy/snapshot.ts";
import type { RelayPermission } from "../../src/smtp/relay-permission.ts";
import { domainsStage } from "../../src/stages/domains/domains.ts";
import type { ProbeAnswer } from "../../src/stages/domains/recipient-probe.ts";
import { heloFacts } from "./connect-facts.ts";
import { createFakeClock } from "./fake-clock.ts";

function accepted(name: string, recipients: RecipientSource): AcceptedDomain {
  return { name, type: "authoritative", recipients, ack: "hub", lineEndings: "refuse" };
}

const LIST: RecipientSource = {
  kind: "list",
  find: (localPart) => (localPart.toLowerCase() === "alice" ? "yes" : "no"),
  count: 1,
  from: "domains.yaml",
};

const HUB: RecipientSource = {
  kind: "call-out",
  rules: defaultCallOutRules("hub.example.org"),
};

export const DOMAINS = {
  hasRoute: (domain: string) => domain === "partner.example",
  ...toDomains([
    accepted("example.org", { kind: "any" }),
    accepted("list.example.org", LIST),
    accepted("hub.example.org", HUB),
    accepted("xn--mnchen-3ya.example", { kind: "any" }),
    { ...accepted("inner.example.org", LIST), type: "internal-relay" },
    { ...accepted("skip.example.org", LIST), skip: ["dnsbl"] },
    accepted("stale.example.org", {
      ...LIST,
      age: { madeAt: -2, freshUntil: -1, stale: "accept" },
    }),
    accepted("later.example.org", { ...LIST, age: { madeAt: -2, freshUntil: -1, stale: "defer" } }),
    accepted("fresh.example.org", { ...LIST, age: { madeAt: -2, freshUntil: 0, stale: "accept" } }),
  ]),
};

export function factsOf(recipient: Address, relay: RelayPermission | null = null): RcptFacts {
  return {
    ...heloFacts("192.0.2.1", "client.example.net"),
    relay,
    sender: null,
    mail: { body: "7bit", smtputf8: true },
    recipient,
  };
}

export function spoken(path: string): Address {
  const result = parseForwardPath(path, { smtpUtf8: true });
  assert.ok(result.kind === "address", path);
  return result.address;
}

export interface Hub {
  readonly answer?: ProbeAnswer;
  readonly asked: string[];
}

export async function run(
  recipient: Address,
  hub: Hub = { asked: [] },
  relay: RelayPermission | null = null,
): Promise<Verdict> {
  const stage = domainsStage.bind(DOMAINS, { mode: "observe" });
  const { signal } = new AbortController();
  const facts = factsOf(recipient, relay);
  const view: Views["rcpt"] = { ...facts, dns: createLookupScope(signal) };
  const recipientProbe = {
    async probe({ spoken }: Address) {
      hub.asked.push(spoken);
      return hub.answer ?? ({ kind: "unknown", cached: false } as const);
    },
  };
  const services = { recipientProbe, clock: createFakeClock() };
  const evidence = await stage.observe?.(view, services, signal);
  return stage.judge(evidence ?? null, facts);
}

export function causeOf(verdict: Verdict): string {
  return "cause" in verdict ? verdict.cause : verdict.kind;
}

export function symbolsOf({ findings }: Verdict): readonly string[] {
  return findings.map(({ symbol }) => symbol);
}
