import assert from "node:assert/strict";
import { test } from "node:test";
import type { Address } from "../../../src/mail/address.ts";
import { parseForwardPath } from "../../../src/mail/address.ts";
import { createLookupScope } from "../../../src/net/resolver.ts";
import type { RcptFacts, Views } from "../../../src/pipeline/stage.ts";
import type { Verdict } from "../../../src/pipeline/verdict.ts";
import { defaultCallOutRules } from "../../../src/policy/call-out-rules.ts";
import { toDomains } from "../../../src/policy/domains.ts";
import type { AcceptedDomain, RecipientSource } from "../../../src/policy/snapshot.ts";
import type { RelayPermission } from "../../../src/smtp/relay-permission.ts";
import { domainsStage } from "../../../src/stages/domains/domains.ts";
import type { ProbeAnswer } from "../../../src/stages/domains/recipient-probe.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { testReport } from "../../support/test-records.ts";

function accepted(name: string, recipients: RecipientSource): AcceptedDomain {
  return { name, type: "authoritative", recipients, ack: "hub", lineEndings: "refuse" };
}

const LIST: RecipientSource = {
  kind: "list",
  find: (localPart) => (localPart.toLowerCase() === "alice" ? "yes" : "no"),
  count: 1,
  from: "domains.yaml",
};

const HUB: RecipientSource = { kind: "call-out", rules: defaultCallOutRules("hub.example.org") };

const DOMAINS = {
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

function factsOf(recipient: Address, relay: RelayPermission | null = null): RcptFacts {
  return {
    client: { ip: "192.0.2.1", port: 40000 },
    listener: { name: "internet", kind: "internet", hostname: "mx.example.org" },
    receivedAt: 0,
    seed: "seed",
    reports: [],
    helo: { verb: "EHLO", name: "client.example.net" },
    tls: null,
    relay,
    sender: null,
    mail: { body: "7bit", smtputf8: true },
    recipient,
  };
}

function spoken(path: string): Address {
  const result = parseForwardPath(path, { smtpUtf8: true });
  assert.ok(result.kind === "address", path);
  return result.address;
}

interface Hub {
  readonly answer?: ProbeAnswer;
  readonly asked: string[];
}

async function run(
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

function causeOf(verdict: Verdict): string {
  return "cause" in verdict ? verdict.cause : verdict.kind;
}

function symbolsOf({ findings }: Verdict): readonly string[] {
  return findings.map(({ symbol }) => symbol);
}

const TAKEN = [
  "<alice@example.org>",
  "<ALICE@EXAMPLE.ORG>",
  "<o'hara+tag@example.org>",
  "<a.b-c_d@example.org>",
  "<{braces}|pipe/slash=equals@example.org>",
  '<"two words"@example.org>',
  "<alice@list.example.org>",
  "<postmaster@list.example.org>",
  "<PostMaster@hub.example.org>",
  "<abuse@hub.example.org>",
  "<postmaster>",
  "<POSTMASTER>",
  "<jürgen@example.org>",
  "<alice@münchen.example>",
  "<alice@xn--mnchen-3ya.example>",
];

for (const path of TAKEN) {
  test(`${path} is taken`, async () => {
    assert.equal((await run(spoken(path))).kind, "neutral");
  });
}

/** None of them may pass, whether the grammar refuses it or this stage does. */
const TRAPS = [
  // Other domains, and those that look alike.
  "<victim@example.net>",
  "<victim@org>",
  "<victim@sub.example.org>",
  "<victim@notexample.org>",
  "<victim@example.org.evil.net>",
  "<victim@example.orgevil.net>",
  "<victim@xexample.org>",
  "<victim@-example.org>",
  "<victim@example.org->",
  "<victim@.example.org>",
  "<victim@example..org>",
  "<victim@example.org.>",
  "<victim@example.net.>",
  "<victim@ example.org>",
  "<victim@example.org >",
  "<victim@example.org\t>",
  "<victim@example.org\0>",
  "<victim@example.org\0.evil.net>",
  "<victim@evil.net\0example.org>",
  "<victim@example.org\r\nRCPT TO:<x@evil.net>>",
  "<victim@example,org>",
  "<victim@example.org,evil.net>",
  "<victim@example.org;evil.net>",
  "<victim@example.org/evil.net>",
  "<victim@example.org#evil.net>",
  "<victim@example.org?evil.net>",
  "<victim@example.org(evil.net)>",
  "<victim@(comment)example.org>",
  "<victim@example.org:25>",
  // The percent hack, bang paths, and routes.
  "<victim%evil.net@example.org>",
  "<victim%evil.net%example.org@example.org>",
  "<%@example.org>",
  "<victim%evil.net@list.example.org>",
  "<victim%evil.net>",
  "<evil.net!victim@example.org>",
  "<evil.net!victim>",
  "<example.org!evil.net!victim@example.org>",
  "<!@example.org>",
  "<@example.org:victim@evil.net>",
  "<@evil.net:victim@example.org>",
  "<@example.org,@evil.net:victim@example.org>",
  "<@example.org>",
  "<evil.net::victim@example.org>",
  "<SMTP:victim@evil.net@example.org>",
  // Two @, with quotes and without.
  "<victim@evil.net@example.org>",
  "<victim@example.org@evil.net>",
  "<victim@@example.org>",
  '<"victim@evil.net"@example.org>',
  '<"victim%evil.net"@example.org>',
  '<"evil.net!victim"@example.org>',
  '<"@evil.net:victim"@example.org>',
  '<"victim\\@evil.net"@example.org>',
  '<"victim"@evil.net@example.org>',
  '<victim"@evil.net"@example.org>',
  '<"victim@evil.net>@example.org>',
  '<"victim@evil.net@example.org>',
  '<"victim" @example.org>',
  '<"victim@evil.net">',
  "<victim\\@evil.net@example.org>",
  // Literals and numbers.
  "<victim@[192.0.2.1]>",
  "<victim@[127.0.0.1]>",
  "<victim@[IPv6:::1]>",
  "<victim@[example.org]>",
  "<victim@192.0.2.1>",
  "<victim@#3221225985>",
  "<victim@[]>",
  // Unicode that somebody maps to ASCII.
  "<victim＠evil.net@example.org>",
  "<victim％evil.net@example.org>",
  "<evil.net！victim@example.org>",
  "<victim﹫evil.net@example.org>",
  "<victim@ｅｘａｍｐｌｅ.org>",
  "<victim@example。org>",
  "<victim@exam\u00adple.org>",
  "<victim@ex\u200bample.org>",
  "<victim@еxample.org>",
  "<victim@xn--example-.org>",
  // No domain at all.
  "<victim>",
  "<abuse>",
  "<postmaster@>",
  "<@>",
  "<>",
  "<postmaster@evil.net>",
  "<abuse@evil.net>",
  "victim@example.org",
  "<<victim@example.org>>",
];

for (const path of TRAPS) {
  test(`${JSON.stringify(path)} is not relayed`, async () => {
    const parsed = parseForwardPath(path, { smtpUtf8: true });
    if (parsed.kind === "refused") return;
    const hub: Hub = { asked: [] };
    assert.equal(causeOf(await run(parsed.address, hub)), "relay-denied");
    assert.deepEqual(hub.asked, []);
  });
}

test("an address that a laxer parser let through is still not relayed", async () => {
  const forms: readonly Address[] = [
    { spoken: "@evil.net:victim@example.org", localPart: "victim", domain: "example.org" },
    { spoken: "victim@evil.net", localPart: "victim@evil.net", domain: "" },
    { spoken: "victim@example.org.", localPart: "victim", domain: "example.org" },
    { spoken: "victim@evil.net@example.org", localPart: "victim", domain: "example.org" },
    {
      spoken: "victim＠evil.net@example.org",
      localPart: "victim＠evil.net",
      domain: "example.org",
    },
    { spoken: "victim@[192.0.2.1]", localPart: "victim", domain: "example.org" },
    { spoken: "postmaster@evil.net", localPart: "postmaster", domain: "" },
  ];
  for (const address of forms) {
    assert.equal(causeOf(await run(address)), "relay-denied", address.spoken);
  }
});

test("a recipient that is not on the list is unknown, and the hub is not asked", async () => {
  const hub: Hub = { asked: [] };
  const verdict = await run(spoken("<mallory@list.example.org>"), hub);
  assert.equal(causeOf(verdict), "recipient-unknown");
  assert.deepEqual(hub.asked, []);
});

async function refusedWith(reply: string) {
  const hub: Hub = { answer: { kind: "refused", reply, cached: false }, asked: [] };
  const verdict = await run(spoken("<bob@hub.example.org>"), hub);
  assert.deepEqual(hub.asked, ["bob@hub.example.org"]);
  assert.ok(verdict.kind === "reject");
  assert.equal(verdict.cause, "recipient-unknown");
  return verdict;
}

for (const reply of ["550 5.1.1 No such user", "550 5.1.10 Recipient not found", "551 User moved"])
  test(`a hub that says "${reply}" makes the recipient unknown like any other`, async () => {
    const { about, findings } = await refusedWith(reply);
    assert.equal(about, undefined, "who guesses learns nothing from the hub's words");
    assert.equal(findings[0]?.detail, `hub: ${reply}`);
  });

test("the hub's words are passed on when something else is the matter", async () => {
  const { about } = await refusedWith("552 5.2.2 Mailbox full");
  assert.deepEqual(about, { hub: "552 5.2.2 Mailbox full" });
});

test("of an internal relay a list knows some, and the hub behind the route the rest", async () => {
  const hub: Hub = { asked: [] };
  assert.deepEqual(symbolsOf(await run(spoken("<alice@inner.example.org>"), hub)), []);
  const verdict = await run(spoken("<mallory@inner.example.org>"), hub);
  assert.equal(verdict.kind, "neutral");
  assert.deepEqual(symbolsOf(verdict), ["RECIPIENT_UNLISTED"]);
  assert.deepEqual(hub.asked, []);
});

test("who is not in a stale list may have been made since, and who is in it exists", async () => {
  for (const [domain, expected, symbols] of [
    ["fresh.example.org", "recipient-unknown", ["RECIPIENT_UNKNOWN"]],
    ["stale.example.org", "neutral", ["RECIPIENT_LIST_STALE"]],
    ["later.example.org", "recipient-unverified", ["RECIPIENT_LIST_STALE"]],
  ] as const) {
    const verdict = await run(spoken(`<mallory@${domain}>`));
    assert.equal(causeOf(verdict), expected, domain);
    assert.deepEqual(symbolsOf(verdict), symbols);
    assert.deepEqual(symbolsOf(await run(spoken(`<alice@${domain}>`))), []);
  }
});

test("a hub that was asked too often makes the client come later, and none of its words are claimed", async () => {
  const hub: Hub = { answer: { kind: "limited", cached: false }, asked: [] };
  const verdict = await run(spoken("<bob@hub.example.org>"), hub);
  assert.ok(verdict.kind === "defer");
  assert.deepEqual([verdict.cause, verdict.about], ["recipient-unverified", undefined]);
});

test("the evidence says which list was looked at, and which stages count for nothing", async () => {
  const stage = domainsStage.bind(DOMAINS, { mode: "enforce" });
  const { signal } = new AbortController();
  const services = { recipientProbe: { probe: () => assert.fail() }, clock: createFakeClock() };
  const observed = (path: string) => {
    const view = { ...factsOf(spoken(path)), dns: createLookupScope(signal) };
    return stage.observe?.(view, services, signal);
  };
  assert.deepEqual(await observed("<alice@skip.example.org>"), {
    probe: null,
    list: { from: "domains.yaml", known: "yes" },
    skips: ["dnsbl"],
  });
  assert.deepEqual(await observed("<bob@stale.example.org>"), {
    probe: null,
    list: { from: "domains.yaml", known: "no", madeAt: -2, freshUntil: -1 },
  });
  assert.deepEqual(await observed("<bob@elsewhere.example>"), { probe: null });
});

test("a hub that says later makes the client come later", async () => {
  const answer = { kind: "later", reply: "450 4.2.1 Mailbox busy", cached: false } as const;
  const verdict = await run(spoken("<bob@hub.example.org>"), { answer, asked: [] });
  assert.ok(verdict.kind === "defer");
  assert.equal(verdict.cause, "recipient-unverified");
  assert.deepEqual(verdict.about, { hub: "450 4.2.1 Mailbox busy" });
});

test("a hub that is away does not stop mail: it is taken unverified and marked", async () => {
  const answer = { kind: "unknown", reply: "connection refused", cached: false } as const;
  const verdict = await run(spoken("<bob@hub.example.org>"), { answer, asked: [] });
  assert.equal(verdict.kind, "neutral");
  assert.deepEqual(
    verdict.findings.map(({ symbol }) => symbol),
    ["RECIPIENT_UNVERIFIED"],
  );
});

test("a hub that never answers counts as away after five seconds", async () => {
  const clock = createFakeClock();
  const stage = domainsStage.bind(DOMAINS, { mode: "enforce" });
  const { signal } = new AbortController();
  const facts = factsOf(spoken("<bob@hub.example.org>"));
  const silent = { probe: () => new Promise<ProbeAnswer>(() => {}) };
  const view: Views["rcpt"] = { ...facts, dns: createLookupScope(signal) };
  const observed = stage.observe?.(view, { recipientProbe: silent, clock }, signal);
  await clock.advance(5_000);
  const evidence = await observed;
  assert.deepEqual(evidence, {
    probe: { kind: "unknown", reply: "no answer in time", cached: false },
  });
  assert.equal(stage.judge(evidence ?? null, facts).kind, "neutral");
  assert.equal(clock.pendingTimers(), 0);
});

test("evidence without a call-out cannot be judged under a policy that asks for one", () => {
  const stage = domainsStage.bind(DOMAINS, { mode: "enforce" });
  const verdict = stage.judge({ probe: null }, factsOf(spoken("<bob@hub.example.org>")));
  assert.equal(verdict.kind, "unknown");
});

test("nothing can put the stage into observe mode", () => {
  assert.equal(domainsStage.bind(DOMAINS, { mode: "observe" }).mode, "enforce");
});

const INSIDE: RelayPermission = { by: "network", network: "10.1.0.0/16" };

test("a client that may relay reaches a foreign domain with a connector, and the reason is told", async () => {
  const verdict = await run(spoken("<bob@partner.example>"), undefined, INSIDE);
  assert.equal(verdict.kind, "neutral");
  assert.deepEqual(verdict.findings, [
    { symbol: "RELAY_PERMITTED", score: 0, detail: "the client is within 10.1.0.0/16" },
  ]);
});

test("a foreign domain without a connector has no route, also for a client that may relay", async () => {
  assert.equal(causeOf(await run(spoken("<bob@evil.net>"), undefined, INSIDE)), "no-route");
});

test("a connector alone opens nothing", async () => {
  assert.equal(causeOf(await run(spoken("<bob@partner.example>"))), "relay-denied");
});

for (const path of ["<bob%evil.net@partner.example>", "<evil.net!bob@partner.example>"]) {
  test(`${path} is refused also for a client that may relay`, async () => {
    assert.equal(causeOf(await run(spoken(path), undefined, INSIDE)), "relay-denied");
  });
}

/** As an earlier stage leaves it. */
const replacedBy = (path: string) =>
  testReport("rewrite-recipient", {
    phase: "rcpt",
    verdict: {
      kind: "neutral",
      findings: [],
      edits: [{ kind: "replace-recipient", address: spoken(path) }],
    },
  });

async function judgeReplaced(path: string, by: string, hub: Hub = { asked: [] }) {
  const stage = domainsStage.bind(DOMAINS, { mode: "enforce" });
  const { signal } = new AbortController();
  const facts = { ...factsOf(spoken(path)), reports: [replacedBy(by)] };
  const recipientProbe = {
    async probe({ spoken }: Address) {
      hub.asked.push(spoken);
      return hub.answer ?? ({ kind: "unknown", cached: false } as const);
    },
  };
  const services = { recipientProbe, clock: createFakeClock() };
  const view = { ...facts, dns: createLookupScope(signal) };
  return causeOf(stage.judge((await stage.observe?.(view, services, signal)) ?? null, facts));
}

test("who was put in a recipient's place is the one who is looked for", async () => {
  assert.equal(await judgeReplaced("<x@example.org>", "<alice@list.example.org>"), "neutral");
  assert.equal(
    await judgeReplaced("<x@example.org>", "<bob@list.example.org>"),
    "recipient-unknown",
  );
  const hub: Hub = { asked: [], answer: { kind: "refused", cached: false } };
  assert.equal(
    await judgeReplaced("<x@example.org>", "<bob@hub.example.org>", hub),
    "recipient-unknown",
  );
  assert.deepEqual(hub.asked, ["bob@hub.example.org"]);
});

test("other people's domain in the place of one of ours needs a way there", async () => {
  assert.equal(await judgeReplaced("<x@example.org>", "<a@partner.example>"), "neutral");
  assert.equal(await judgeReplaced("<x@example.org>", "<a@elsewhere.test>"), "no-route");
});

test("nobody's address becomes ours by an edit, and no routing form is let through by one", async () => {
  assert.equal(await judgeReplaced("<x@evil.test>", "<alice@list.example.org>"), "relay-denied");
  assert.equal(await judgeReplaced("<x@example.org>", "<a%b@partner.example>"), "relay-denied");
  assert.equal(await judgeReplaced("<x%y@example.org>", "<a@partner.example>"), "relay-denied");
});
