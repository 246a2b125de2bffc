import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import type { Pipeline } from "../../src/pipeline/plan.ts";
import { PHASES } from "../../src/pipeline/report.ts";
import { loadPolicy } from "../../src/policy/load-policy.ts";
import type { PolicySnapshot } from "../../src/policy/snapshot.ts";
import { createCatalog, type StageServices } from "../../src/stages/catalog.ts";
import { MINIMAL, policyOnDisk } from "./policy-on-disk.ts";

const clock = createSystemClock();

async function load(context: TestContext, files: Readonly<Record<string, string>>) {
  const folder = await policyOnDisk(context, { ...MINIMAL, ...files });
  return loadPolicy({ folder, catalog: createCatalog(), clock });
}

type Policy = PolicySnapshot<StageServices>;

const stepsOf = ({ plans }: Policy, pipeline: Pipeline) =>
  Object.fromEntries(
    PHASES.map((phase) => [
      phase,
      plans[pipeline].phases[phase].steps.map((step) => step.map(({ name }) => name).join("+")),
    ]),
  );

test("without a word of it, mail of ours is not judged as that of strangers", async (context) => {
  const policy = await load(context, {});
  assert.deepEqual(stepsOf(policy, "outbound"), {
    connect: ["access"],
    helo: [],
    mail: ["own-sender", "sender-rate"],
    rcpt: ["recipient-rate", "domains"],
    data: ["attachments", "antivirus"],
  });
  const inbound = Object.values(stepsOf(policy, "inbound")).flat();
  const ours = ["own-sender", "sender-rate", "recipient-rate", "rewrite-sender"];
  assert.ok(!inbound.some((name) => ours.includes(name)));
});

test("what is arranged for strangers holds for ours, but for what is about strangers", async (context) => {
  const policy = await load(context, {
    "pipeline.yaml": `phases:
  connect: { steps: [[access, dnsbl]] }
  data: { budgetMs: 7000, steps: [[{ stage: attachments, mode: observe }]] }
`,
  });
  assert.deepEqual(stepsOf(policy, "outbound").connect, ["access"]);
  assert.deepEqual(stepsOf(policy, "outbound").data, ["attachments"]);
  const { budgetMs, steps } = policy.plans.outbound.phases.data;
  assert.equal(budgetMs, 7000);
  assert.equal(steps[0]?.[0]?.mode, "observe");
});

test("what is written for ours replaces what would stand there", async (context) => {
  const policy = await load(context, {
    "pipeline.yaml": `thresholds: { quarantine: 5, reject: 12 }
outbound:
  mode: monitor
  thresholds: { quarantine: null }
  ownSenders: [network, password]
  headers: { remove: [X-Inside-*], received: remove }
  phases:
    connect: { steps: [[dnsbl]] }
    mail: { steps: [] }
    rcpt: { budgetMs: 4000 }
`,
  });
  const { outbound, inbound } = policy.plans;
  assert.equal(outbound.mode, "monitor");
  assert.equal(inbound.mode, "enforce");
  assert.deepEqual(outbound.scoring.thresholds, { quarantine: null, reject: 12 });
  assert.deepEqual(stepsOf(policy, "outbound").connect, ["dnsbl"]);
  assert.deepEqual(stepsOf(policy, "outbound").mail, []);
  assert.deepEqual(stepsOf(policy, "outbound").rcpt, ["recipient-rate", "domains"]);
  assert.equal(outbound.phases.rcpt.budgetMs, 4000);
  assert.equal(inbound.phases.rcpt.budgetMs, 8000);
  const headers = { remove: ["X-Inside-*"], received: "remove", verdict: "keep" };
  const { ownAuthors: _, ...rest } = policy.outbound;
  assert.deepEqual(rest, { ownSenders: ["network", "password"], headers });
});

test("a stage about ours cannot be placed for strangers", async (context) => {
  const files = { "pipeline.yaml": "phases:\n  mail:\n    steps: [[sender-rate]]\n" };
  await assert.rejects(load(context, files), {
    message:
      /pipeline\.yaml:3:14 {2}phases\.mail\.steps\.0\.0: stage `sender-rate` is about mail of ours: expected it under outbound$/,
  });
});

test("rates that no pipeline takes note of are a mistake", async (context) => {
  const files = {
    "pipeline.yaml": "outbound: { phases: { mail: { steps: [] } } }\n",
    "rates.yaml": "messages: { perHour: 10 }\nrecipients: { perHour: 20 }\n",
  };
  await assert.rejects(load(context, files), {
    message:
      /rates\.yaml:1:1 {2}messages: options for stage `sender-rate`, which is not in pipeline/,
  });
});

test("mistakes in rates are told with their place", async (context) => {
  const files = { "rates.yaml": "messages: { perHour: 0, burst: 3 }\nsenders: {}\n" };
  await assert.rejects(load(context, files), (error: Error) => {
    assert.match(error.message, /rates\.yaml:1:22 {2}messages\.perHour: expected .* 1/);
    assert.match(error.message, /rates\.yaml:1:25 {2}messages\.burst: unknown key `burst`/);
    assert.match(error.message, /rates\.yaml:2:1 {2}senders: unknown key `senders`/);
    return true;
  });
});

test("all of it is shown as effective", async (context) => {
  const { effective } = await load(context, {
    "rates.yaml": "messages: { for: { News@example.org: { perHour: 9, atOnce: 8 } } }\n",
  });
  const shown = JSON.parse(JSON.stringify(effective));
  const { messages, recipients } = shown.rates;
  assert.deepEqual(
    { messages, recipients },
    {
      messages: {
        perHour: 300,
        atOnce: 100,
        for: { "news@example.org": { perHour: 9, atOnce: 8 } },
      },
      recipients: { perHour: 1000, atOnce: 500, for: {} },
    },
  );
  assert.deepEqual(shown.pipeline.outbound.ownSenders, ["password"]);
  const silent = { mode: "off", may: {} };
  const ownAuthors = { password: silent, network: silent, certificate: silent };
  assert.deepEqual(shown.pipeline.outbound.ownAuthors, ownAuthors);
  assert.deepEqual(shown.pipeline.outbound.headers, {
    remove: [],
    received: "keep",
    verdict: "keep",
  });
  assert.deepEqual(
    shown.pipeline.outbound.phases.mail.steps.flat().map(({ stage }: { stage: string }) => stage),
    ["own-sender", "sender-rate"],
  );
});
