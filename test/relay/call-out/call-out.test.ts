import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallOutRules } from "../../../src/policy/snapshot.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { openRelayBench } from "../../support/relay-bench.ts";
import { hubFor } from "../../support/scripted-hub.ts";
import { toAddress } from "../../support/spool-item.ts";
import { waitUntil } from "../../support/wait-until.ts";

const NEVER = new AbortController().signal;

/** nobody@ is unknown, busy@ is for later. */
function knowsSome({ step, line }: { step: string; line: string }): string | undefined {
  if (step !== "rcpt") return undefined;
  if (line.includes("<nobody@")) return "550 5.1.1 unknown";
  return line.includes("<busy@") ? "450 4.2.0 later" : undefined;
}

test("the hub is asked with the null sender and without a message", async (t) => {
  const hub = await hubFor(t, { script: knowsSome });
  const { relay } = await openRelayBench(t, { hubs: [hub] });
  const probe = (spoken: string) => relay.probe(toAddress(spoken), NEVER);
  const yes = { kind: "accepted", reply: "250 2.1.5 ok", cached: false };
  assert.deepEqual(await probe("somebody@x.test"), yes);
  const no = { kind: "refused", reply: "550 5.1.1 unknown", cached: false };
  assert.deepEqual(await probe("nobody@x.test"), no);
  assert.equal((await probe("busy@x.test")).kind, "later");
  assert.ok(hub.lines.includes("MAIL FROM:<>"));
  assert.ok(!hub.lines.includes("DATA"));
  assert.equal(hub.connections, 1);
});

test("answers are kept for their time, a no for less, a later not at all", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, { script: knowsSome });
  const { relay } = await openRelayBench(t, { hubs: [hub], clock });
  const asked = async (spoken: string) => {
    const before = hub.count("rcpt");
    const { cached } = await relay.probe(toAddress(spoken), NEVER);
    assert.equal(cached, hub.count("rcpt") === before);
    return !cached;
  };
  for (const spoken of ["somebody@x.test", "nobody@x.test", "busy@x.test"]) await asked(spoken);
  assert.equal(await asked("Somebody@x.test"), true, "local parts differ in case");
  assert.equal(await asked("somebody@X.TEST"), false, "domains do not");
  assert.equal(await asked("busy@x.test"), true);
  await clock.advance(5 * 60_000);
  assert.equal(await asked("nobody@x.test"), true);
  assert.equal(await asked("somebody@x.test"), false);
  await clock.advance(55 * 60_000);
  assert.equal(await asked("somebody@x.test"), true);
});

test("the same question at the same time is asked once", async (t) => {
  const hub = await hubFor(t);
  const { relay } = await openRelayBench(t, { hubs: [hub] });
  const probes = Array.from({ length: 20 }, () => relay.probe(toAddress("a@x.test"), NEVER));
  for (const { kind } of await Promise.all(probes)) assert.equal(kind, "accepted");
  assert.equal(hub.count("rcpt"), 1);
});

test("whoever cannot wait gets unknown, and the answer serves the next", async (t) => {
  const answer = Promise.withResolvers<string>();
  const hub = await hubFor(t, {
    script: ({ step }) => (step === "rcpt" ? answer.promise : undefined),
  });
  const { relay } = await openRelayBench(t, { hubs: [hub] });
  const leaving = new AbortController();
  const first = relay.probe(toAddress("a@x.test"), leaving.signal);
  await hub.waitFor(() => hub.count("rcpt") === 1);
  leaving.abort(new Error("no answer in time"));
  assert.deepEqual(await first, { kind: "unknown", reply: "no answer in time", cached: false });
  const second = relay.probe(toAddress("a@x.test"), NEVER);
  answer.resolve("250 ok");
  assert.equal((await second).kind, "accepted");
  assert.equal(hub.count("rcpt"), 1);
});

test("no route, no hub, a mute hub and a refused null sender are unknown, never a no", async (t) => {
  const clock = createFakeClock();
  const refusing = await hubFor(t, {
    script: ({ step }) => (step === "mail" ? "550 5.7.1 no bounces" : undefined),
  });
  const mute = await hubFor(t, {
    script: ({ step }) => (step === "rcpt" ? { hang: true } : undefined),
  });
  const dropping = await hubFor(t, {
    script: ({ step }) => (step === "rcpt" ? { drop: true } : undefined),
  });
  for (const hub of [refusing, dropping]) {
    const { relay } = await openRelayBench(t, { hubs: [hub], clock });
    assert.equal((await relay.probe(toAddress("a@nowhere.test"), NEVER)).kind, "unknown");
    assert.equal((await relay.probe(toAddress("a@x.test"), NEVER)).kind, "unknown");
  }
  const { relay } = await openRelayBench(t, { hubs: [mute], clock });
  const probe = relay.probe(toAddress("a@x.test"), NEVER);
  await mute.waitFor(() => mute.count("rcpt") === 1);
  await clock.advance(30_000);
  assert.equal((await probe).kind, "unknown");
  await mute.waitFor(() => mute.openConnections() === 0);
});

const RULES: CallOutRules = {
  ...{ positiveMs: 60_000, negativeMs: 1000, sender: null, perMinute: 100 },
  countedAs: "x.test",
};

test("a domain's own lifetimes and probe sender hold", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, { script: knowsSome });
  const { relay } = await openRelayBench(t, { hubs: [hub], clock });
  const rules = { ...RULES, sender: toAddress("probe@example.org") };
  const isCached = async (spoken: string) =>
    (await relay.probe(toAddress(spoken), NEVER, rules)).cached;
  await isCached("somebody@x.test");
  await isCached("nobody@x.test");
  assert.ok(hub.lines.includes("MAIL FROM:<probe@example.org>"));
  await clock.advance(1000);
  assert.equal(await isCached("nobody@x.test"), false);
  assert.equal(await isCached("somebody@x.test"), true);
  await clock.advance(59_000);
  assert.equal(await isCached("somebody@x.test"), false);
});

test("a hub is asked so often a minute, and beyond it nobody is taken unseen", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t, { script: knowsSome });
  const { relay } = await openRelayBench(t, { hubs: [hub], clock, domains: ["x.test", "y.test"] });
  const rules = { ...RULES, perMinute: 2 };
  const kindOf = async (spoken: string, own = rules) =>
    (await relay.probe(toAddress(spoken), NEVER, own)).kind;
  assert.deepEqual(
    [await kindOf("a@x.test"), await kindOf("nobody@x.test")],
    ["accepted", "refused"],
  );
  assert.equal(await kindOf("b@x.test"), "limited");
  assert.equal(await kindOf("a@x.test"), "accepted", "what is known is told");
  assert.equal(await kindOf("b@y.test", { ...rules, countedAs: "y.test" }), "accepted");
  assert.equal(
    await kindOf("c@y.test"),
    "limited",
    "a wildcard's subdomains share their questions",
  );
  await clock.advance(60_000);
  assert.equal(await kindOf("b@x.test"), "accepted");
});

test("a hub that never says no is asked for nobody, once an hour, and found out", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t);
  const { metrics, relay } = await openRelayBench(t, { hubs: [hub], clock });
  const askMany = async (name: string, count: number) => {
    for (let i = 0; i < count; i++)
      await relay.probe(toAddress(`${name}${i}@x.test`), NEVER, RULES);
  };
  const probes = () => hub.lines.filter((line) => line.includes("<postern-probe-"));
  await askMany("a", 19);
  assert.equal(probes().length, 0);
  await askMany("b", 30);
  await hub.waitFor(() => probes().length === 1);
  const takesAll = async () =>
    /postern_hub_accepts_unknown\{domain="x.test"\} 1/.test((await metrics.expose()).text)
      ? true
      : undefined;
  await waitUntil(() => "the hub is not found out", takesAll);
  await clock.advance(60 * 60_000);
  await askMany("c", 1);
  await hub.waitFor(() => probes().length === 2);
});

test("a hub that says no to some is not asked for nobody", async (t) => {
  const hub = await hubFor(t, { script: knowsSome });
  const { relay } = await openRelayBench(t, { hubs: [hub] });
  for (let i = 0; i < 40; i++) {
    const name = i % 15 === 14 ? "nobody" : `a${i}`;
    await relay.probe(toAddress(`${name}@x.test`), NEVER, { ...RULES, negativeMs: 0 });
  }
  assert.ok(!hub.lines.some((line) => line.includes("<postern-probe-")));
});
