import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { formatProblem, PolicyError } from "../../src/base/errors.ts";
import { loadPolicy } from "../../src/policy/load-policy.ts";
import { createCatalog } from "../../src/stages/catalog.ts";
import { MINIMAL, policyOnDisk } from "./policy-on-disk.ts";

async function load(context: TestContext, files: Readonly<Record<string, string>>) {
  const folder = await policyOnDisk(context, { ...MINIMAL, ...files });
  return loadPolicy({ folder, catalog: createCatalog(), clock: createSystemClock() });
}

async function problemsOf(context: TestContext, files: Readonly<Record<string, string>>) {
  const error = await load(context, files).then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof PolicyError, String(error));
  return error.problems.map((problem) => formatProblem(problem).replace(/^.*\//, ""));
}

test("dmarc before what it builds on is a mistake, with its place", async (context) => {
  const pipeline = (steps: string) => ({
    "pipeline.yaml": `phases:\n  data:\n    steps: ${steps}\n`,
  });
  assert.deepEqual(await problemsOf(context, pipeline("[[dkim], [dmarc], [from]]")), [
    "pipeline.yaml:3:31  phases.data.steps.2.0: stage `from` must stand in a step before `dmarc`",
  ]);
  assert.deepEqual(await problemsOf(context, pipeline("[[from, dkim], [dmarc]]")), [
    "pipeline.yaml:3:20  phases.data.steps.0.1: stage `dkim` must stand in a step before `from`",
  ]);
});

test("mistakes in the three sections are told with their place", async (context) => {
  const text = [
    "dkim: { mustSign: [from, x-mailer] }",
    "from: { vips: [{ name: '!', addresses: [a] }], malform: stamp }",
    "dmarc: { quarantine: reject, scores: { pass: x } }",
    "arcs: {}",
  ].join("\n");
  const problems = await problemsOf(context, { "sender-auth.yaml": text });
  for (const start of [
    "sender-auth.yaml:1:26  dkim.mustSign.1: ",
    "sender-auth.yaml:2:24  from.vips.0.name: expected a name with letters",
    "sender-auth.yaml:2:41  from.vips.0.addresses.0: expected an address",
    "sender-auth.yaml:2:48  from.malform: unknown key `malform`; did you mean `malformed`?",
    "sender-auth.yaml:3:22  dmarc.quarantine: ",
    "sender-auth.yaml:3:46  dmarc.scores.pass: ",
    "sender-auth.yaml:4:1  arcs: unknown key `arcs`",
  ])
    assert.ok(
      problems.some((problem) => problem.startsWith(start)),
      `${start}\n${problems.join("\n")}`,
    );
});

test("arc stands before dmarc, and trusted sealers without dmarc are a mistake", async (context) => {
  const files = (steps: string, sealers = "") => ({
    "pipeline.yaml": `phases:\n  data:\n    steps: ${steps}\n`,
    "sender-auth.yaml": `arc: { trustedSealers: [${sealers}] }\n`,
  });
  assert.deepEqual(await problemsOf(context, files("[[dkim], [from], [dmarc], [arc]]")), [
    "pipeline.yaml:3:39  phases.data.steps.3.0: stage `arc` must stand in a step before `dmarc`",
  ]);
  assert.deepEqual(await problemsOf(context, files("[[dkim], [from], [arc, dmarc]]")), [
    "pipeline.yaml:3:30  phases.data.steps.2.0: stage `arc` must stand in a step before `dmarc`",
  ]);
  assert.deepEqual(await problemsOf(context, files("[[arc]]", "list.test")), [
    "sender-auth.yaml:1:24  arc.trustedSealers: counts for nothing without the stage `dmarc`",
  ]);
  await load(context, files("[[arc]]"));
  await load(context, files("[[dkim], [arc], [dmarc]]", "list.test"));
});

test("mistakes in arc and sender-id are told with their place", async (context) => {
  const text = [
    "arc:",
    "  trustedSealers: [list.test, com, '*.list.test']",
    "  scores: { temperror: 1 }",
    "  trusted: []",
    "sender-id:",
    "  scopes: [pra, helo]",
    "  spf1: maybe",
    "  fail: rejct",
    "  temperror: reject",
    "  scores: { fail: high }",
    "  action: reject",
    "senderid: {}",
  ].join("\n");
  const problems = await problemsOf(context, { "sender-auth.yaml": text });
  const starts = [
    "sender-auth.yaml:2:31  arc.trustedSealers.1: expected a domain such as lists.example.org",
    "sender-auth.yaml:2:36  arc.trustedSealers.2: expected a domain such as lists.example.org",
    "sender-auth.yaml:3:13  arc.scores.temperror: unknown key `temperror`",
    "sender-auth.yaml:4:3  arc.trusted: unknown key `trusted`",
    "sender-auth.yaml:6:17  sender-id.scopes.1: expected one of pra, mfrom",
    "sender-auth.yaml:7:9  sender-id.spf1: expected one of use, ignore",
    "sender-auth.yaml:8:9  sender-id.fail: expected one of stamp, quarantine, reject",
    "sender-auth.yaml:9:14  sender-id.temperror: expected one of stamp, quarantine, defer",
    "sender-auth.yaml:10:19  sender-id.scores.fail: expected ",
    "sender-auth.yaml:11:3  sender-id.action: unknown key `action`",
    "sender-auth.yaml:12:1  senderid: unknown key `senderid`; did you mean `sender-id`?",
  ];
  assert.equal(problems.length, starts.length, problems.join("\n"));
  for (const start of starts)
    assert.ok(
      problems.some((problem) => problem.startsWith(start)),
      `${start}\n${problems.join("\n")}`,
    );
});

test("everything about them is shown as it is in force", async (context) => {
  const { effective } = await load(context, {
    "sender-auth.yaml": "dmarc: { reject: quarantine }",
  });
  const shown = JSON.parse(JSON.stringify(effective))["sender-auth"];
  assert.equal(shown.dmarc.reject, "quarantine");
  assert.deepEqual(shown.dkim.mustSign, ["from", "subject"]);
  assert.equal(shown.from.malformed, "reject");
  assert.deepEqual(shown.arc.trustedSealers, []);
  assert.deepEqual(shown["sender-id"].scopes, ["pra"]);
});

test("From is judged by the domains that we accept, wildcards included", async (context) => {
  const { plans } = await load(context, {
    "domains.yaml": "domains: { example.org: {}, '*.example.org': {} }\n",
    "routing.yaml":
      "connectors: { hub: { domains: [example.org, '*.example.org'], smarthosts: ['10.1.0.25:25'] } }\n",
  });
  const stage = plans.inbound.phases.data.steps.flat().find(({ name }) => name === "from");
  const symbolsOf = (domain: string) => {
    const author = { kind: "mailbox", localPart: "a", domain, display: "" };
    const facts = { relay: null, reports: [] } as never;
    const verdict = stage?.judge({ author, fields: [], count: 1 }, facts);
    return verdict?.findings.map(({ symbol }) => symbol);
  };
  assert.deepEqual(symbolsOf("example.org"), ["FROM_OWN_DOMAIN"]);
  assert.deepEqual(symbolsOf("a.example.org"), ["FROM_OWN_DOMAIN"]);
  assert.deepEqual(symbolsOf("example.net"), []);
});
