import assert from "node:assert/strict";
import { test } from "node:test";
import { createLookupScope } from "../../../src/net/resolver.ts";
import type { StageReport } from "../../../src/pipeline/report.ts";
import { createMemoryReputation } from "../../../src/reputation/memory-reputation.ts";
import type { Reputation } from "../../../src/reputation/reputation.ts";
import { type GreylistEvidence, greylistStage } from "../../../src/stages/greylist/greylist.ts";
import { reportWith } from "../../support/connect-facts.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { rcptFacts } from "../../support/rcpt-facts.ts";

const ON = { delays: "suspicious" };
const HOUR = 60 * 60 * 1000;
const SUSPICIOUS = [reportWith("dnsbl", 2)];

interface Attempt {
  readonly ip?: string;
  readonly sender?: string | null;
  readonly recipient?: string;
  readonly reports?: readonly StageReport[];
}

function spfPass(domain: string): StageReport {
  return reportWith("spf", 0, { evidence: { result: "pass", domain } });
}

function createWorld(options: object = ON, over: Partial<Reputation["greylist"]> = {}) {
  const clock = createFakeClock();
  const memory = createMemoryReputation(clock);
  const touched: string[] = [];
  const greylist: Reputation["greylist"] = {
    ...memory.greylist,
    touch(key, times) {
      touched.push(key);
      return (over.touch ?? memory.greylist.touch)(key, times);
    },
  };
  const services = { reputation: { ...memory, greylist } };
  const bind = (written: object) =>
    greylistStage.bind(greylistStage.options.parse(written), { mode: "enforce" });
  const stage = bind(options);
  const { signal } = new AbortController();
  const come = async ({
    ip = "192.0.2.1",
    sender = "a@friend.test",
    recipient,
    reports = SUSPICIOUS,
  }: Attempt = {}) => {
    const facts = rcptFacts(sender, recipient ?? "alice@example.org", {
      client: { ip, port: 1 },
      reports,
    });
    const view = { ...facts, dns: createLookupScope(signal) };
    const evidence = await stage.observe?.(view, services, signal);
    assert.ok(evidence !== undefined);
    const verdict = stage.judge(JSON.parse(JSON.stringify(evidence)), facts);
    return {
      facts,
      verdict,
      evidence,
      told: verdict.kind === "defer" ? verdict.about?.seconds : verdict.kind,
    };
  };
  return { clock, touched, bind, come };
}

test("as shipped nobody is delayed, and nothing is noted", async () => {
  const { come, touched } = createWorld({});
  assert.equal((await come()).told, "neutral");
  assert.deepEqual(touched, []);
});

test("only the suspicious are delayed: who has no score is not even noted", async () => {
  const { come, touched } = createWorld();
  assert.equal((await come({ reports: [] })).told, "neutral");
  assert.equal(
    (await come({ reports: [reportWith("dnswl", -3), reportWith("helo", 2)] })).told,
    "neutral",
  );
  assert.deepEqual(touched, []);
  const { verdict } = await come();
  assert.ok(verdict.kind === "defer" && verdict.cause === "greylisted");
  assert.deepEqual(verdict.about, { seconds: "300" });
});

test("a sender level above 0 is suspicious too, whatever the score", async () => {
  const { come } = createWorld();
  const level = (srl: number) => [reportWith("reputation", 0, { evidence: { srl } })];
  assert.equal((await come({ reports: level(0) })).told, "neutral");
  assert.equal((await come({ reports: level(3) })).told, "300");
});

test("policy says above which score", async () => {
  const { come } = createWorld({ ...ON, above: 2 });
  assert.equal((await come()).told, "neutral");
  assert.equal((await come({ reports: [reportWith("dnsbl", 2.5)] })).told, "300");
});

test("who comes again too early waits on, who comes in time passes, and so for 35 days", async () => {
  const { come, clock } = createWorld();
  assert.equal((await come()).told, "300");
  await clock.advance(120_000);
  assert.equal((await come()).told, "180");
  await clock.advance(180_000);
  assert.equal((await come()).told, "neutral");
  await clock.advance(34 * 24 * HOUR);
  assert.equal((await come()).told, "neutral");
  await clock.advance(35 * 24 * HOUR);
  assert.equal((await come()).told, "300");
});

test("who comes again only after the window begins anew", async () => {
  const { come, clock } = createWorld();
  await come();
  await clock.advance(24 * HOUR);
  assert.equal((await come()).told, "300");
});

test("a retry from another address passes: of the same network, and from anywhere that SPF permits", async () => {
  const { come, clock } = createWorld();
  await come({ ip: "192.0.2.1" });
  const pool = [...SUSPICIOUS, spfPass("big.test")];
  await come({ ip: "192.0.2.1", sender: "a@big.test", reports: pool });
  await clock.advance(300_000);
  assert.equal((await come({ ip: "192.0.2.200" })).told, "neutral");
  assert.equal(
    (await come({ ip: "203.0.113.9", sender: "a@big.test", reports: pool })).told,
    "neutral",
  );
  assert.equal((await come({ ip: "203.0.113.9" })).told, "300");
  assert.equal((await come({ ip: "203.0.113.9", sender: "a@big.test" })).told, "300");
});

test("another sender or another recipient is another party; case, VERP numbers and tags are not", async () => {
  const { come, clock } = createWorld();
  await come({ sender: "list-1001@friend.test" });
  await clock.advance(300_000);
  for (const sender of ["list-1002@friend.test", "LIST-7@friend.test", "list-9+alice@friend.test"])
    assert.equal((await come({ sender })).told, "neutral", sender);
  assert.equal(
    (await come({ sender: "list-1001@friend.test", recipient: "ALICE@example.org" })).told,
    "neutral",
  );
  assert.equal(
    (await come({ sender: "list-1001@friend.test", recipient: "bob@example.org" })).told,
    "300",
  );
  assert.equal((await come({ sender: "other@friend.test" })).told, "300");
  assert.equal((await come({ sender: null })).told, "300");
});

test("a store that cannot tell delays nobody, and the evidence says so", async () => {
  const { come } = createWorld(ON, {
    touch: async () => ({ kind: "unknown", reason: "the store is away" }),
  });
  const { verdict, evidence } = await come();
  assert.equal(verdict.kind, "neutral");
  assert.deepEqual(verdict.findings, [
    { symbol: "GREYLIST_UNKNOWN", score: 0, detail: "the store is away" },
  ]);
  assert.deepEqual((evidence as unknown as GreylistEvidence).answer, {
    kind: "unknown",
    reason: "the store is away",
  });
});

test("what nobody noted is unknown to a policy that would have asked", async () => {
  const { come, bind } = createWorld({});
  const { evidence, facts } = await come();
  assert.equal(bind(ON).judge(evidence, facts).kind, "unknown");
  assert.equal(bind({}).judge(evidence, facts).kind, "neutral");
});

test("keys have one length and no words of the sender", async () => {
  const { come, touched } = createWorld();
  await come({ sender: `${"x".repeat(60)}@friend.test` });
  await come({ sender: null });
  for (const key of touched) assert.match(key, /^[\w-]{24}$/);
  assert.equal(new Set(touched).size, 2);
});
