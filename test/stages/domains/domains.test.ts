import assert from "node:assert/strict";
import { test } from "node:test";
import type { Address } from "../../../src/mail/address.ts";
import { createLookupScope } from "../../../src/net/resolver.ts";
import type { Views } from "../../../src/pipeline/stage.ts";
import type { RelayPermission } from "../../../src/smtp/relay-permission.ts";
import { domainsStage } from "../../../src/stages/domains/domains.ts";
import type { ProbeAnswer } from "../../../src/stages/domains/recipient-probe.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import {
  causeOf,
  DOMAINS,
  factsOf,
  type Hub,
  run,
  spoken,
  symbolsOf,
} from "../../support/judge-recipient.ts";
import { testReport } from "../../support/test-records.ts";

test("a recipient that is not on the list is unknown, and the hub is not asked", async () => {
  const hub: Hub = { asked: [] };
  const verdict = await run(spoken("<mallory@list.example.org>"), hub);
  assert.equal(causeOf(verdict), "recipient-unknown");
  assert.deepEqual(hub.asked, []);
});

test("whoever reports trouble is heard, also when he quotes whom he writes to", async () => {
  for (const path of ["<Postmaster@list.example.org>", '<"abuse"@list.example.org>'])
    assert.equal((await run(spoken(path), { asked: [] })).kind, "neutral", path);
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
