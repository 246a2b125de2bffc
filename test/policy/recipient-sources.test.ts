import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { formatProblem, PolicyError } from "../../src/base/errors.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { createFactBus } from "../../src/pipeline/facts.ts";
import { loadPolicy } from "../../src/policy/load-policy.ts";
import { createPolicyHolder } from "../../src/policy/policy-holder.ts";
import { watchRecipientLists } from "../../src/policy/recipient-watch.ts";
import type { RecipientList } from "../../src/policy/snapshot.ts";
import { afterwards } from "../support/afterwards.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { createTestExporter } from "../support/recipient-export.ts";
import { policyOnDisk } from "./policy-on-disk.ts";
import { createTestCatalog } from "./test-catalog.ts";

const NOW = Date.UTC(2026, 10, 25, 12);
const HOUR = 3_600_000;
const exporter = createTestExporter();
const clock = createFakeClock(NOW);
const catalog = createTestCatalog();

type Files = Readonly<Record<string, string | Buffer>>;

/** A policy for example.org, whose entry in domains.yaml says this. */
function filesOf(entry: string, more: Files = {}): Files {
  return {
    "domains.yaml": `domains:\n  example.org: ${entry}\n`,
    "routing.yaml": "connectors: { hub: { domains: ['*'], smarthosts: ['10.1.0.25:25'] } }\n",
    ...more,
  };
}

async function domainOf(context: TestContext, entry: string, more: Files = {}) {
  const folder = await policyOnDisk(context, filesOf(entry, more));
  const policy = await loadPolicy({ folder, catalog, clock });
  const domain = policy.domains.find("example.org");
  assert.ok(domain);
  return { ...domain, effective: JSON.stringify(policy.effective) };
}

async function listOf(context: TestContext, entry: string, more: Files): Promise<RecipientList> {
  const { recipients } = await domainOf(context, entry, more);
  assert.ok(recipients.kind === "list");
  return recipients;
}

async function problemsOf(context: TestContext, entry: string, more: Files = {}) {
  const folder = await policyOnDisk(context, filesOf(entry, more));
  try {
    await loadPolicy({ folder, catalog, clock });
  } catch (error) {
    assert.ok(error instanceof PolicyError);
    return error.problems.map(formatProblem).map((text) => text.replace(`${folder}/`, ""));
  }
  return [];
}

const HASHED = `{ recipients: { hashed: r.hashed, key: "${exporter.key}" } }`;
const made = (lines: readonly string[], createdAt = NOW - HOUR, freshForMs: number | null = null) =>
  ({ "r.hashed": exporter.make(lines, { createdAt, freshForMs }) }) as const;

test("a hashed export knows the recipients of its domains", async (context) => {
  const list = await listOf(context, HASHED, made(["alice@example.org", "eve@example.com"]));
  assert.equal(list.find("ALICE", "example.org"), "yes");
  assert.equal(list.find("eve", "example.com"), "no", "a domain goes by its own addresses only");
  assert.deepEqual([list.count, list.from], [1, "r.hashed"]);
});

test("an export is fresh for a day, for as long as it says, or as domains.yaml says", async (context) => {
  const freshOf = async (entry: string, freshForMs: number | null) => {
    const { age } = await listOf(context, entry, made(["a@example.org"], NOW - HOUR, freshForMs));
    assert.equal(age?.madeAt, NOW - HOUR);
    return ((age?.freshUntil ?? 0) - NOW + HOUR) / HOUR;
  };
  assert.equal(await freshOf(HASHED, null), 24);
  assert.equal(await freshOf(HASHED, 6 * HOUR), 6);
  assert.equal(await freshOf(HASHED.replace("hashed:", "fresh: 2h, hashed:"), 6 * HOUR), 2);
});

test("a file is as old as its comment says, when it is to be fresh", async (context) => {
  const entry = "{ recipients: { file: p.txt, fresh: 2h, stale: defer } }";
  const text = "# people\n# made: 2026-11-25T10:30:00Z\nalice@example.org\n";
  const { age } = await listOf(context, entry, { "p.txt": text });
  const madeAt = Date.UTC(2026, 10, 25, 10, 30);
  assert.deepEqual(age, { madeAt, freshUntil: madeAt + 2 * HOUR, stale: "defer" });
});

test("without fresh a file is right for ever", async (context) => {
  const entry = "{ recipients: { file: p.txt } }";
  const { age } = await listOf(context, entry, { "p.txt": "alice@example.org\n" });
  assert.equal(age, undefined);
});

test("tags count where they are asked for, with lists of every kind", async (context) => {
  const kinds: readonly (readonly [string, Files])[] = [
    ["{ recipients: { list: [alice@example.org], tags: + } }", {}],
    ["{ recipients: { file: p.txt, tags: + } }", { "p.txt": "alice@example.org\n" }],
    [HASHED.replace("hashed:", "tags: +, hashed:"), made(["alice@example.org"])],
  ];
  for (const [entry, files] of kinds) {
    const list = await listOf(context, entry, files);
    assert.equal(list.find("alice+news", "example.org"), "tag", entry);
    const plain = await listOf(context, entry.replace(/(, )?tags: \+(, )?/, ""), files);
    assert.equal(plain.find("alice+news", "example.org"), "no", entry);
  }
});

test("relays are looked up only where somebody asks for it", async (context) => {
  const kindOf = async (entry: string) => (await domainOf(context, entry)).recipients.kind;
  assert.equal(await kindOf("{ type: authoritative }"), "call-out");
  assert.equal(await kindOf("{ type: internal-relay }"), "any");
  assert.equal(await kindOf("{ type: internal-relay, verify: call-out }"), "call-out");
  assert.equal(
    await kindOf("{ type: internal-relay, recipients: { list: [a@example.org] } }"),
    "list",
  );
  assert.equal(await kindOf("{ type: external-relay }"), "any");
});

test("a call-out has its times, sender and pace, and shows them", async (context) => {
  const words = "positive: 2h, negative: 1m, sender: probe@example.org, perMinute: 7";
  const { recipients, effective } = await domainOf(
    context,
    `{ verify: { callOut: { ${words} } } }`,
  );
  assert.ok(recipients.kind === "call-out");
  const { sender, ...rest } = recipients.rules;
  assert.equal(sender?.spoken, "probe@example.org");
  const times = { positiveMs: 2 * HOUR, negativeMs: 60_000 };
  assert.deepEqual(rest, { ...times, perMinute: 7, countedAs: "example.org" });
  assert.ok(effective.includes('"callOut":{"positive":"2h","negative":"1m"'), effective);
  const { recipients: plain } = await domainOf(context, "{ verify: { callOut: } }");
  assert.ok(plain.kind === "call-out");
  assert.deepEqual(plain.rules, {
    ...{ positiveMs: HOUR, negativeMs: 300_000, sender: null, perMinute: 300 },
    countedAs: "example.org",
  });
});

test("what cannot be used is told with its place, and never read as nobody", async (context) => {
  const other = createTestExporter();
  const cases: readonly (readonly [string, Files, RegExp])[] = [
    [HASHED, {}, /2:40 +domains\.example\.org\.recipients\.hashed: `r\.hashed` cannot be read/],
    [
      HASHED,
      made(["alice@example.com"]),
      /hashed: expected addresses of example\.org in it, got none/,
    ],
    [HASHED.replace(exporter.key, other.key), made(["a@example.org"]), /a signature by this `key`/],
    [
      HASHED.replace(exporter.key, "secret"),
      made(["a@example.org"]),
      /recipients\.key: expected the 44 characters/,
    ],
    [HASHED.replace(/, key.*?"(?= )/, ""), made(["a@example.org"]), /the public `key`/],
    ["{ recipients: { file: p.txt } }", { "p.txt": "# nobody\n" }, /expected addresses of example/],
    [
      "{ recipients: { file: p.txt, fresh: 1h } }",
      { "p.txt": "# made: 2027-01-01T00:00:00Z\na@example.org\n" },
      /file: `p\.txt`: it was made in the future/,
    ],
    [
      "{ recipients: { file: p.txt, fresh: 1h } }",
      { "p.txt": "a@example.org\n# made: yesterday\n" },
      /fresh: expected a comment such as # made:/,
    ],
  ];
  for (const [entry, files, expected] of cases) {
    const problems = await problemsOf(context, entry, files);
    assert.equal(problems.length, 1, `${entry}: ${problems.join("\n")}`);
    assert.match(problems[0] ?? "", expected);
  }
});

async function holdPolicy(context: TestContext, files: Files) {
  const folder = await policyOnDisk(context, files);
  const own = createFakeClock(NOW);
  const facts = createFactBus((error) => assert.fail(String(error)));
  const metrics = createMetrics();
  const log = createSilentLog();
  const holder = await createPolicyHolder({ folder, catalog, clock: own, facts, log, metrics });
  afterwards(context, () => holder.close());
  return { folder, holder, clock: own, metrics };
}

test("an export that is older than the one in force is refused, and the newer stays", async (context) => {
  const people = ["alice@example.org"];
  const { folder, holder } = await holdPolicy(context, filesOf(HASHED, made(people, NOW - HOUR)));
  const push = (bytes: Buffer) => writeFile(join(folder, "r.hashed"), bytes);
  await push(made([...people, "former@example.org"], NOW - 2 * HOUR)["r.hashed"]);
  await assert.rejects(holder.reload(), /made 2026-11-25T10:00:00.000Z, before the one in force/);
  const inForce = () => {
    const recipients = holder.current().domains.find("example.org")?.recipients;
    assert.ok(recipients?.kind === "list");
    return recipients;
  };
  assert.equal(inForce().find("former", "example.org"), "no");
  await push(made(["bob@example.org"], NOW)["r.hashed"]);
  await holder.reload();
  assert.equal(inForce().find("bob", "example.org"), "yes");
  assert.equal(inForce().find("alice", "example.org"), "no");
});

test("a tampered export leaves the whole policy as it was", async (context) => {
  const { folder, holder } = await holdPolicy(
    context,
    filesOf(HASHED, made(["alice@example.org"])),
  );
  const before = holder.current();
  const bytes = Buffer.from(made(["alice@example.org"])["r.hashed"]);
  bytes.write("A", bytes.length - 3);
  await writeFile(join(folder, "r.hashed"), bytes);
  await assert.rejects(holder.reload(), PolicyError);
  assert.equal(holder.current(), before);
  assert.ok(holder.lastError());
});

test("a list that becomes stale is told in the log and in numbers, once", async (context) => {
  const {
    holder,
    clock: own,
    metrics,
  } = await holdPolicy(context, filesOf(HASHED, made(["alice@example.org"], NOW - HOUR)));
  const lines: unknown[] = [];
  const silent = createSilentLog();
  const log = {
    ...silent,
    warn: (event: string, about = {}) => void lines.push({ event, ...about }),
  };
  const end = watchRecipientLists({ policy: holder, clock: own, log, metrics });
  const stale = async () =>
    /postern_recipient_list_stale\{list="r.hashed"\} (\d)/.exec((await metrics.expose()).text)?.[1];
  assert.equal(await stale(), "0");
  await own.advance(23 * HOUR + 1);
  await own.advance(48 * HOUR);
  assert.equal(await stale(), "1");
  const when = new Date(NOW - HOUR).toISOString();
  assert.deepEqual(lines, [{ event: "recipient-list-stale", list: "r.hashed", made: when }]);
  end();
});
