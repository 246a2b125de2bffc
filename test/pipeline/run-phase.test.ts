import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../src/base/json.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import type { PhasePlan } from "../../src/pipeline/plan.ts";
import { reportsByStage } from "../../src/pipeline/report.ts";
import { runPhase, toFacts } from "../../src/pipeline/run-phase.ts";
import type { BoundStage, Views } from "../../src/pipeline/stage.ts";
import { createFakeClock } from "../support/fake-clock.ts";

type Connect = BoundStage<"connect", object>;

function stage(name: string, over: Partial<Connect> = {}): Connect {
  return {
    name,
    phase: "connect",
    timeoutMs: 1000,
    onFailure: "open",
    mode: "enforce",
    trustable: true,
    canTrust: false,
    essential: false,
    judges: null,
    observe: async () => ({ by: name }),
    tap: null,
    judge: () => ({ kind: "neutral", findings: [] }),
    commit: async () => {},
    ...over,
  };
}

const signal = new AbortController().signal;
const VIEW: Views["connect"] = {
  client: { ip: "192.0.2.1", port: 25 },
  listener: { name: "internet", kind: "internet", hostname: "mx.example.org" },
  receivedAt: 0,
  seed: "s",
  reports: [],
  dns: createLookupScope(signal),
};

function run(steps: PhasePlan<"connect", object>["steps"], over: object = {}) {
  const clock = createFakeClock();
  const phase = { budgetMs: 5000, steps };
  const reports = runPhase<"connect", object>({
    phase,
    view: VIEW,
    services: {},
    clock,
    signal,
    ...over,
  });
  return { clock, reports };
}

const rejecting = () => ({ kind: "reject", cause: "client-listed", findings: [] }) as const;
const never = () => new Promise<Json>(() => {});

test("stages of one step run together and report in plan order", async () => {
  let releaseFirst: (value: Json) => void = () => {};
  const first = stage("first", {
    observe: () =>
      new Promise((done) => {
        releaseFirst = done;
      }),
  });
  const second = stage("second", {
    observe: async () => {
      releaseFirst({ late: true });
      return 2;
    },
  });
  const reports = await run([[first, second]]).reports;
  assert.deepEqual(
    reports.map((one) => [one.stage, one.evidence]),
    [
      ["first", { late: true }],
      ["second", 2],
    ],
  );
});

test("a later step sees the reports of the earlier ones", async () => {
  let seen: readonly string[] = [];
  const later = stage("later", {
    judge: (_evidence, facts) => {
      seen = facts.reports.map((one) => one.stage);
      return { kind: "neutral", findings: [] };
    },
  });
  await run([[stage("a"), stage("b")], [later]]).reports;
  assert.deepEqual(seen, ["a", "b"]);
});

test("a reject ends the phase before the next step, and all of its own step are awaited", async () => {
  const no = stage("no", { judge: rejecting, trustable: false });
  const reports = await run([[no, stage("too")], [stage("never")]]).reports;
  assert.deepEqual(
    reports.map((one) => one.stage),
    ["no", "too"],
  );
});

test("a reject in observe mode ends nothing", async () => {
  const no = stage("no", { judge: rejecting, trustable: false, mode: "observe" });
  const reports = await run([[no], [stage("next")]]).reports;
  assert.equal(reports.length, 2);
});

test("a spam reject ends nothing, for who is exempt from it is not exempt from what follows", async () => {
  const spam = stage("spam", { judge: rejecting, trustable: true });
  const scanner = stage("scanner", { trustable: false });
  assert.equal((await run([[spam], [scanner]]).reports).length, 2);
});

test("an essential stage runs whatever was refused before it", async () => {
  const no = stage("no", { judge: rejecting, trustable: false });
  const domains = stage("domains", { trustable: false, essential: true });
  const reports = await run([[no], [stage("between")], [domains], [stage("never")]]).reports;
  assert.deepEqual(
    reports.map((one) => one.stage),
    ["no", "between", "domains"],
  );
});

test("a throw and a time-out both become the stage's failure mode", async () => {
  for (const [onFailure, kind] of [
    ["open", "neutral"],
    ["closed", "defer"],
    ["hold", "quarantine"],
  ] as const) {
    const thrower = stage("thrower", {
      onFailure,
      observe: async () => {
        throw new Error("gone");
      },
    });
    const [thrown] = await run([[thrower]]).reports;
    assert.deepEqual(
      [thrown?.outcome, thrown?.verdict.kind, thrown?.error],
      ["failed", kind, "gone"],
    );
    const hung = run([[stage("hung", { onFailure, observe: never })]]);
    await hung.clock.advance(1001);
    const [late] = await hung.reports;
    assert.deepEqual([late?.outcome, late?.verdict.kind], ["timeout", kind]);
  }
});

test("a synchronous throw and a judge that throws are failures too", async () => {
  const boom = () => {
    throw new Error("boom");
  };
  const reports = await run([[stage("a", { observe: boom }), stage("b", { judge: boom })]]).reports;
  assert.deepEqual(
    reports.map((one) => one.outcome),
    ["failed", "failed"],
  );
});

test("the budget of the phase bounds a stage with a longer limit of its own", async () => {
  const slow = run([[stage("slow", { observe: never, timeoutMs: 60_000 })]]);
  await slow.clock.advance(5001);
  assert.equal((await slow.reports)[0]?.outcome, "timeout");
});

test("when the budget is spent nothing counts any more, however fast it is", async () => {
  const slow = stage("slow", { observe: never, timeoutMs: 60_000 });
  let signalled: boolean | null = null;
  const fast = stage("fast", {
    observe: async (_view, _services, theirs) => {
      signalled = theirs.aborted;
      return "at once";
    },
  });
  const { clock, reports } = run([[slow], [fast]]);
  await clock.advance(5000);
  assert.deepEqual(
    (await reports).map(({ outcome }) => outcome),
    ["timeout", "timeout"],
  );
  assert.equal(signalled, true);
  assert.equal(clock.pendingTimers(), 0);
});

test("a stage has what the steps before it left of the budget, told in whole milliseconds", async () => {
  const clock = createFakeClock();
  const first = stage("first", {
    timeoutMs: 60_000,
    observe: () => new Promise((done) => void clock.after(1000.25, () => done(null))),
  });
  const second = stage("second", { observe: never, timeoutMs: 60_000 });
  const { reports } = run([[first], [second]], { clock });
  await clock.advance(4999);
  await clock.advance(1);
  const [, late] = await reports;
  assert.deepEqual([late?.outcome, late?.error], ["timeout", "not finished within 4000 ms"]);
});

test("a client that leaves ends every stage", async () => {
  const client = new AbortController();
  const { reports } = run([[stage("slow", { observe: never, onFailure: "closed" })]], {
    signal: client.signal,
  });
  client.abort(new Error("client left"));
  const [report] = await reports;
  assert.deepEqual([report?.outcome, report?.verdict.kind], ["failed", "defer"]);
});

test("no timer outlives the phase", async () => {
  const { clock, reports } = run([[stage("a")], [stage("b")]]);
  await reports;
  assert.equal(clock.pendingTimers(), 0);
});

test("a trusted client skips later spam stages and no others", async () => {
  const access = stage("access", {
    judge: () => ({ kind: "trust", findings: [] }),
    trustable: false,
  });
  const reports = await run([[access], [stage("dnsbl"), stage("other", { trustable: false })]])
    .reports;
  assert.deepEqual(
    reports.map((one) => one.outcome),
    ["judged", "skipped", "judged"],
  );
});

test("known evidence is judged again and not gathered again", async () => {
  let asked = 0;
  const one = stage("one", {
    observe: async () => {
      asked += 1;
      return asked;
    },
    judge: (evidence) => (evidence === 1 ? { kind: "neutral", findings: [] } : rejecting()),
  });
  const before = await run([[one]]).reports;
  const again = await run([[one]], { known: reportsByStage(before) }).reports;
  assert.deepEqual([asked, again[0]?.evidence, again[0]?.verdict.kind], [1, 1, "neutral"]);
});

test("known evidence that leaves a new policy undecided is gathered again", async () => {
  const one = stage("one", {
    observe: async () => "two lists",
    judge: (evidence) =>
      evidence === "two lists"
        ? { kind: "neutral", findings: [] }
        : { kind: "unknown", missing: ["the second list"], findings: [] },
  });
  const [old] = await run([[stage("one", { observe: async () => "one list" })]]).reports;
  const again = await run([[one]], { known: reportsByStage(old ? [old] : []) }).reports;
  assert.deepEqual([again[0]?.evidence, again[0]?.verdict.kind], ["two lists", "neutral"]);
});

test("a judge cannot reach the world", () => {
  assert.deepEqual(Object.keys(toFacts<"connect">(VIEW)).includes("dns"), false);
});
