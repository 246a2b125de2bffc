import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { PolicyError } from "../../src/base/errors.ts";
import type { AnyStage } from "../../src/pipeline/stage.ts";
import { loadPolicy } from "../../src/policy/load-policy.ts";
import { MINIMAL, policyOnDisk } from "./policy-on-disk.ts";
import { createTestCatalog } from "./test-catalog.ts";

const clock = createSystemClock();
const load = (folder: string, catalog: readonly AnyStage<object>[] = createTestCatalog()) =>
  loadPolicy({ folder, catalog, clock });

const LIMITS = `connections: { max: 2000, perClient: 20, newPerClientPerMinute: 60 }
session: { transactions: 100, recipients: 200 }
message: { maxBytes: 26214400 }
`;

test("an empty folder is a policy that accepts nothing", async (context) => {
  const policy = await load(await policyOnDisk(context, {}));
  assert.deepEqual(policy.domains.all, []);
  assert.equal(policy.domains.find("example.org"), null);
  assert.equal(policy.routing.route("example.org"), null);
  assert.equal(policy.limits.message.maxBytes, 26_214_400);
  assert.equal(policy.limits.session.recipients, 200);
  assert.equal(policy.plans.inbound.mode, "enforce");
});

test("a folder that is not there is a mistake", async () => {
  await assert.rejects(load("/nonexistent/policies"), PolicyError);
});

test("the minimal forms are enough", async (context) => {
  const policy = await load(await policyOnDisk(context, { ...MINIMAL, "limits.yaml": LIMITS }));
  const domain = policy.domains.find("example.org");
  assert.equal(domain?.type, "authoritative");
  assert.equal(domain?.ack, "hub");
  assert.equal(domain?.lineEndings, "refuse");
  assert.equal(domain?.recipients.kind, "list");
  assert.ok(
    domain?.recipients.kind === "list" && domain.recipients.find("BOB", "example.org") === "yes",
  );
  const connector = policy.routing.route("example.org");
  assert.deepEqual(connector?.to, {
    kind: "smarthosts",
    hosts: [{ host: "10.1.0.25", port: 25, priority: 0, weight: 1 }],
  });
  assert.equal(connector?.tls.mode, "opportunistic");
  assert.equal(connector?.maxConnections, 20);
});

test("without recipients the hub is asked; verify: off asks nobody", async (context) => {
  const policy = await load(
    await policyOnDisk(context, {
      "domains.yaml": "domains:\n  a.example:\n  b.example: { verify: off }\n",
      "routing.yaml": "connectors: { hub: { domains: ['*'], smarthosts: ['hub'] } }\n",
    }),
  );
  assert.equal(policy.domains.find("a.example")?.recipients.kind, "call-out");
  assert.deepEqual(policy.domains.find("b.example")?.recipients, { kind: "any" });
});

test("one recipient file may serve several domains", async (context) => {
  const policy = await load(
    await policyOnDisk(context, {
      "domains.yaml": `domains:
  a.example: { recipients: { file: people.txt } }
  "*.b.example": { recipients: { file: people.txt } }
`,
      "routing.yaml": "connectors: { hub: { domains: ['*'], smarthosts: ['hub'] } }\n",
      "people.txt": "one@a.example\ntwo@x.b.example\nthree@y.b.example\n",
    }),
  );
  const a = policy.domains.find("a.example")?.recipients;
  const b = policy.domains.find("x.b.example")?.recipients;
  assert.ok(a?.kind === "list" && b?.kind === "list");
  assert.deepEqual([a.count, b.count, a.from], [1, 2, "people.txt"]);
  assert.equal(a.find("one", "a.example"), "yes");
  assert.equal(a.find("two", "x.b.example"), "no");
  assert.equal(b.find("two", "x.b.example"), "yes");
  assert.equal(b.find("two", "y.b.example"), "no");
});

test("the most specific domain and the most specific, cheapest connector win", async (context) => {
  const policy = await load(
    await policyOnDisk(context, {
      "domains.yaml": `domains:
  "*.example.org": { ack: spool, verify: off }
  mail.example.org: { ack: hub, verify: off }
`,
      "routing.yaml": `connectors:
  dear: { domains: ["*.example.org"], smarthosts: ["dear:25"], cost: 20 }
  cheap: { domains: ["*.example.org", "*"], smarthosts: ["cheap:25"], cost: 5 }
  exact: { domains: [mail.example.org], smarthosts: ["exact:25"], cost: 100 }
`,
    }),
  );
  assert.equal(policy.domains.find("mail.example.org")?.ack, "hub");
  assert.equal(policy.domains.find("a.mail.example.org")?.ack, "spool");
  assert.equal(policy.domains.find("example.org"), null);
  assert.equal(policy.routing.route("mail.example.org")?.name, "exact");
  assert.equal(policy.routing.route("a.mail.example.org")?.name, "cheap");
  assert.equal(policy.routing.route("elsewhere.example")?.name, "cheap");
});

test("a domain's thresholds fill up from the pipeline's", async (context) => {
  const policy = await load(
    await policyOnDisk(context, {
      "pipeline.yaml": "thresholds: { quarantine: 4, reject: 12 }\n",
      "domains.yaml": "domains: { a.example: { thresholds: { quarantine: null } } }\n",
      "routing.yaml": "connectors: { hub: { domains: [a.example], smarthosts: [hub] } }\n",
    }),
  );
  assert.deepEqual(policy.plans.inbound.scoring.thresholds, { quarantine: 4, reject: 12 });
  assert.deepEqual(policy.domains.find("a.example")?.thresholds, { quarantine: null, reject: 12 });
});

test("stages run as pipeline.yaml places them, with the options of their files", async (context) => {
  const seen: unknown[] = [];
  const policy = await load(
    await policyOnDisk(context, {
      ...MINIMAL,
      "pipeline.yaml": `phases:
  connect:
    budgetMs: 1234
    steps:
      - [gate]
      - [{ stage: lists, mode: observe, onFailure: closed, timeoutMs: 77 }]
`,
      "lists.yaml": "lists: [{ zone: a.example }]\nrejectAt: 6\n",
      "sender-auth.yaml": "spf: { onFail: reject }\n",
    }),
    createTestCatalog(seen),
  );
  const { connect, mail, rcpt } = policy.plans.inbound.phases;
  assert.equal(connect.budgetMs, 1234);
  assert.deepEqual(
    connect.steps.map((step) => step.map(({ name }) => name)),
    [["gate"], ["lists"]],
  );
  const lists = connect.steps[1]?.[0];
  assert.deepEqual([lists?.mode, lists?.onFailure, lists?.timeoutMs], ["observe", "closed", 77]);
  lists?.judge(null, {} as never);
  mail.steps[0]?.[0]?.judge(null, {} as never);
  rcpt.steps[0]?.[0]?.judge(null, {} as never);
  assert.deepEqual(seen.slice(0, 2), [
    { lists: [{ zone: "a.example", score: 1 }], rejectAt: 6 },
    { onFail: "reject" },
  ]);
  assert.partialDeepStrictEqual(
    seen[2],
    policy.domains,
    "the domains stage gets the compiled domains",
  );
});

test("without pipeline.yaml every stage of the catalog runs", async (context) => {
  const policy = await load(await policyOnDisk(context, MINIMAL));
  const names = Object.values(policy.plans.inbound.phases).flatMap((phase) =>
    phase.steps.flatMap((step) => step.map(({ name }) => name)),
  );
  assert.deepEqual(names.sort(), ["domains", "gate", "lists", "scan", "spf"]);
});

test("options for a stage that is not in the pipeline are a mistake", async (context) => {
  const folder = await policyOnDisk(context, {
    ...MINIMAL,
    "pipeline.yaml": "phases: { connect: { steps: [[gate]] }, mail: { steps: [] } }\n",
    "lists.yaml": "# nothing but a comment is harmless\n",
    "sender-auth.yaml": "spf: { onFail: reject }\n",
  });
  await assert.rejects(load(folder), {
    message: `${folder}/sender-auth.yaml:1:1  spf: options for stage \`spf\`, which is not in pipeline.yaml`,
  });
});

test("problems of all files are told together, by file and line", async (context) => {
  const folder = await policyOnDisk(context, {
    "domains.yaml": "domains: { example.org: { tpye: x } }\n",
    "limits.yaml": "conections: {}\nmessage: { maxBytes: 1 }\n",
    "lists.yaml": "lists: 5\n",
    "replies.yaml": "a: [\n",
  });
  const error = await load(folder).catch((reason: unknown) => reason);
  assert.ok(error instanceof PolicyError);
  const places = error.problems.map(({ file, line }) => `${file.slice(folder.length + 1)}:${line}`);
  const expected = ["domains.yaml:1", "limits.yaml:1", "limits.yaml:2", "lists.yaml:1"];
  assert.deepEqual(places.slice(0, 4), expected);
  assert.match(places[4] ?? "", /^replies\.yaml:/);
});

test("the version changes with every byte of every file, and with nothing else", async (context) => {
  const folder = await policyOnDisk(context, {
    "domains.yaml": "domains: { example.org: { recipients: { file: people.txt } } }\n",
    "routing.yaml": MINIMAL["routing.yaml"] ?? "",
    "people.txt": "a@example.org\n",
  });
  const first = (await load(folder)).version;
  assert.match(first, /^[0-9a-f]{12}$/);
  await writeFile(join(folder, "README.md"), "not policy");
  await writeFile(join(folder, ".domains.yaml.swp"), "not policy");
  await writeFile(join(folder, "domains.yaml~"), "not policy");
  assert.equal((await load(folder)).version, first);
  await writeFile(join(folder, "people.txt"), "b@example.org\n");
  const second = (await load(folder)).version;
  assert.notEqual(second, first);
  await writeFile(join(folder, "people.txt"), "a@example.org\n");
  assert.equal((await load(folder)).version, first);
});

test("the effective policy is laid out as files, with every default", async (context) => {
  const folder = await policyOnDisk(context, { ...MINIMAL, "lists.yaml": "rejectAt: 6\n" });
  const { effective } = await load(folder);
  const json = JSON.parse(JSON.stringify(effective));
  assert.deepEqual(Object.keys(json).sort(), [
    "domains",
    "gate",
    "limits",
    "lists",
    "pipeline",
    "replies",
    "rewriting",
    "routing",
    "scan",
    "sender-auth",
    "signing",
  ]);
  assert.deepEqual(json.lists, { lists: [], rejectAt: 6 });
  assert.deepEqual(json["sender-auth"], { spf: { onFail: "score" } });
  assert.deepEqual(json.domains.domains["example.org"].recipients, {
    from: "domains.yaml",
    count: 2,
  });
  assert.deepEqual(json.routing.connectors.hub.smarthosts, [
    { host: "10.1.0.25:25", priority: 0, weight: 1 },
  ]);
});

test("what is no file is refused and does not hang the reading", async (context) => {
  const folder = await policyOnDisk(context, MINIMAL);
  await mkdir(join(folder, "limits.yaml"));
  await assert.rejects(load(folder), /limits\.yaml:1:1 {2}cannot be read/);
});

test("a folder behind a symbolic link is read through it", async (context) => {
  const folder = await policyOnDisk(context, MINIMAL);
  const around = await policyOnDisk(context, {});
  await symlink(folder, join(around, "policies"));
  const policy = await load(join(around, "policies"));
  assert.equal(policy.version, (await load(folder)).version);
});
