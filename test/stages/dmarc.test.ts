import assert from "node:assert/strict";
import { test } from "node:test";
import type { Resolver } from "../../src/net/resolver.ts";
import type { StageReport } from "../../src/pipeline/report.ts";
import type { DmarcEvidence } from "../../src/stages/dmarc.ts";
import { dmarcStage } from "../../src/stages/dmarc.ts";
import { type JudgedMail, judgeSender, reportOf } from "../support/judge-stages.ts";
import { mx, toZoneResolver, type Zone } from "../support/zone-resolver.ts";

const MESSAGE = "From: alice@example.org\r\nSubject: x\r\n\r\nHello\r\n";
const record = (text: string): Zone => ({ "TXT _dmarc.example.org": [text] });

async function run(zone: Zone, mail: Partial<JudgedMail> = {}, options: object = {}) {
  const reports = await judgeSender({
    message: MESSAGE,
    sender: "alice@example.org",
    resolver: toZoneResolver(zone),
    options: { dmarc: options },
    ...mail,
  });
  const { verdict, evidence } = reportOf(reports, "dmarc");
  const { kind } = verdict;
  const cause = "cause" in verdict ? verdict.cause : null;
  const [finding] = verdict.findings;
  return { verdict, evidence: evidence as unknown as DmarcEvidence, kind, cause, finding };
}

for (const [policy, kind, cause, symbol, score] of [
  ["p=reject", "reject", "dmarc-reject", "DMARC_REJECT", 6],
  ["p=quarantine", "quarantine", "dmarc-quarantine", "DMARC_QUARANTINE", 4],
  ["p=none", "neutral", null, "DMARC_FAIL", 1],
  ["p=reject; t=y", "quarantine", "dmarc-quarantine", "DMARC_QUARANTINE", 4],
  ["p=quarantine; t=y", "neutral", null, "DMARC_FAIL", 1],
] as const)
  test(`mail that fails under ${policy}: ${kind}`, async () => {
    const got = await run(record(`v=DMARC1; ${policy}`));
    assert.deepEqual([got.kind, got.cause], [kind, cause]);
    assert.deepEqual([got.finding?.symbol, got.finding?.score], [symbol, score]);
  });

test("policy can make each of them milder", async () => {
  const reject = record("v=DMARC1; p=reject");
  assert.equal((await run(reject, {}, { reject: "quarantine" })).cause, "dmarc-quarantine");
  assert.equal((await run(reject, {}, { reject: "stamp" })).kind, "neutral");
  const quarantine = record("v=DMARC1; p=quarantine");
  assert.equal((await run(quarantine, {}, { quarantine: "stamp" })).kind, "neutral");
});

test("SPF of the sender's domain passes, that of a null sender by its HELO name", async () => {
  const zone = {
    ...record("v=DMARC1; p=reject"),
    "TXT example.org": ["v=spf1 ip4:192.0.2.1 -all"],
    "TXT mx.example.org": ["v=spf1 ip4:192.0.2.1 -all"],
  };
  assert.equal((await run(zone, { ip: "192.0.2.1" })).evidence.result, "pass");
  const bounce = { ip: "192.0.2.1", sender: null, helo: "mx.example.org" };
  assert.equal((await run(zone, bounce)).evidence.result, "pass");
  assert.equal((await run(zone)).evidence.result, "fail");
});

test("DNS that is away is stamped, or deferred when policy says so", async () => {
  const away = { "TXT _dmarc.example.org": "SERVFAIL" };
  const stamped = await run(away);
  assert.deepEqual([stamped.kind, stamped.finding?.symbol], ["neutral", "DMARC_TEMPERROR"]);
  const deferred = await run(away, {}, { temperror: "defer" });
  assert.deepEqual([deferred.kind, deferred.cause], ["defer", "check-unavailable"]);
});

test("a slow zone of the attacker's own does not save him from the policy of his victim", async () => {
  const zone = { ...record("v=DMARC1; p=reject"), "TXT evil.test": "time-out" };
  assert.equal((await run(zone, { sender: "x@evil.test" })).kind, "reject");
  const spf = { "TXT example.org": "time-out" };
  assert.equal((await run({ ...record("v=DMARC1; p=reject"), ...spf })).kind, "neutral");
});

test("an SPF record that uses up the queries of the message does not save its sender", async () => {
  const letters = [..."abcdefg"];
  const exchanges = (letter: string) =>
    Array.from({ length: 10 }, (_, i) => mx(i, `${letter}${i}.evil.test`));
  const zone = {
    ...record("v=DMARC1; p=reject"),
    "TXT evil.test": [`v=spf1 ${letters.map((letter) => `mx:${letter}.evil.test`).join(" ")} -all`],
    ...Object.fromEntries(letters.map((letter) => [`MX ${letter}.evil.test`, exchanges(letter)])),
    ...Object.fromEntries(
      letters.flatMap((letter) =>
        exchanges(letter).map(({ exchange }) => [`A ${exchange}`, ["192.0.2.9"]]),
      ),
    ),
  };
  const { lookup } = toZoneResolver(zone);
  const resolver: Pick<Resolver, "lookup"> = {
    lookup: async (name, type, scope, options) =>
      scope.spend() ? lookup(name, type, scope, options) : { kind: "exhausted", reason: "budget" },
  };
  const got = await run(zone, { sender: "x@evil.test", resolver });
  assert.deepEqual(
    [got.evidence.result, got.kind, got.cause],
    ["permerror", "quarantine", "dmarc-quarantine"],
  );
  assert.equal((await run(zone, { sender: "x@evil.test", resolver, queries: 200 })).kind, "reject");
});

test("a trusted ARC chain lets mail pass that fails, and only one that is enforced", async () => {
  const arc: StageReport = {
    stage: "arc",
    phase: "data",
    outcome: "judged",
    ms: 1,
    evidence: null,
    verdict: {
      kind: "neutral",
      findings: [{ symbol: "ARC_TRUSTED", score: 0, detail: "list.example" }],
    },
    mode: "enforce",
    trustable: true,
    essential: false,
    canTrust: false,
  };
  const zone = record("v=DMARC1; p=reject");
  const trusted = await run(zone, { reports: [arc] });
  assert.equal(trusted.kind, "neutral");
  assert.deepEqual(
    trusted.verdict.findings.map(({ symbol, score, detail }) => [symbol, score, detail]).at(-1),
    ["DMARC_ARC_TRUSTED", 0, "list.example"],
  );
  assert.equal((await run(zone, { reports: [{ ...arc, mode: "observe" }] })).kind, "reject");
});

test("a malformed From is left to the stage that is about it", async () => {
  const message = "From: a@example.org, b@evil.test\r\nSubject: x\r\n\r\n";
  const got = await run(record("v=DMARC1; p=reject"), { message });
  assert.deepEqual([got.kind, got.evidence.result], ["neutral", "permerror"]);
});

test("mail of our own users is never refused", async () => {
  const relay = { by: "network", network: "10.0.0.0/8" } as const;
  assert.equal((await run(record("v=DMARC1; p=reject"), { relay })).kind, "neutral");
});

test("the evidence is JSON with every answer, and is judged the same under another policy later", async () => {
  const { evidence } = await run(record("v=DMARC1; p=reject"));
  const stored = JSON.parse(JSON.stringify(evidence));
  assert.deepEqual(stored, evidence);
  assert.deepEqual(
    evidence.answers.map(({ name }) => name),
    ["_dmarc.example.org", "_dmarc.org"],
  );
});

test("unknown options are errors, and everything has a default", () => {
  assert.ok(dmarcStage.options.safeParse({}).success);
  for (const wrong of [
    { reject: "drop" },
    { quarantine: "reject" },
    { pct: 1 },
    { scores: { x: 1 } },
  ])
    assert.equal(dmarcStage.options.safeParse(wrong).success, false, JSON.stringify(wrong));
});
