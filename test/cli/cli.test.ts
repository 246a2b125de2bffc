import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { Unavailable } from "../../src/base/errors.ts";
import { runCli } from "../../src/cli/cli.ts";
import { isVisible } from "../../src/cli/visible-text.ts";
import { openCommandPort } from "../../src/control/command-port.ts";
import type { ReleaseOutcome } from "../../src/control/quarantine-commands.ts";
import { createFactBus } from "../../src/pipeline/facts.ts";
import type { Hold } from "../../src/quarantine/quarantine.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import { createStoreCli, type StoreCli } from "../support/store-cli.ts";
import { testHold } from "../support/test-holds.ts";
import { testId, testRecord } from "../support/test-records.ts";

const clock = createSystemClock();
const hostile = "\u001b[31mred\u202e\n";
let root = "";
let dataDir = "";
let cli: StoreCli;
let release: (id: string, order: unknown) => Promise<ReleaseOutcome>;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "postern-cli-"));
});
beforeEach(async () => {
  dataDir = await mkdtemp(join(root, "d-"));
  release = async () => ({ kind: "released", recipients: ["alice@example.org"] });
  cli = createStoreCli({
    dataDir,
    width: 100,
    tellSender: async () => "bounced",
    release: (id, order) => release(id, order),
    facts: createFactBus((error) => assert.fail(String(error))),
  });
});
afterEach(() => rm(dataDir, { recursive: true }));
after(() => rm(root, { recursive: true, force: true }));

const openStores = () => cli.openStores();
const run = (...argv: string[]) => cli.run(...argv);

async function record(...numbers: number[]): Promise<void> {
  const { tracking, close } = await openStores();
  for (const number of numbers) {
    const message = { ...testRecord(number).message!, subject: hostile };
    const made = testRecord(number, { decidedAt: clock.now() + number, message });
    tracking.record({ kind: "decided", at: made.decidedAt, record: made });
  }
  await close();
}

async function hold(number: number): Promise<Hold> {
  const { quarantine, close } = await openStores();
  const held = await quarantine.hold(testHold(number, { subject: hostile }), toBytesSource("x"));
  await close();
  return held;
}

describe("command line", () => {
  test("wrong usage is told on standard error with exit code 2, help that was asked for is 0", async () => {
    for (const argv of [
      [],
      ["nonsense"],
      ["trace", "--nonsense"],
      ["trace", "--since", "yesterday"],
      ["trace", "--limit", "0"],
      ["trace", "--limit", "99999"],
      ["explain"],
      ["explain", "A", "B"],
      ["quarantine"],
      ["quarantine", "release"],
      ["quarantine", "list", "--state", "lost"],
      ["judge", "file.eml"],
      ["--settings"],
    ]) {
      const { code, out, err } = await run(...argv);
      assert.equal(code, 2, argv.join(" "));
      assert.deepEqual(out, []);
      assert.notDeepEqual(err, []);
    }
    for (const argv of [
      ["--help"],
      ["help"],
      ["trace", "--help"],
      ["quarantine", "release", "-h"],
    ]) {
      const { code, text } = await run(...argv);
      assert.equal(code, 0);
      assert.match(text, /--json/, "global options are part of every help");
    }
  });

  test("a word that is wrong is shown, and does nothing to the terminal", async () => {
    for (const argv of [
      [hostile],
      ["queue", "list", "--state", hostile],
      ["judge", "x.eml", "--ip", hostile, "--helo", "a", "--from", "", "--to", "a@b.test"],
    ]) {
      const { code, err } = await run(...argv);
      assert.equal(code, 2, argv.join(" "));
      assert.match(err.join("\n"), /\\x1b\[31mred\\u\{202e\}/);
      for (const line of err.join("\n").split("\n")) assert.ok(isVisible(line), line);
    }
  });

  test("help tells defaults as they are typed", async () => {
    assert.match((await run("allow", "add", "--help")).text, /\(default:\s+90d\)/);
    assert.doesNotMatch((await run("doctor", "spf", "--help")).text, /\[\]/);
  });

  test("version answers people and programs", async () => {
    assert.match((await run("version")).text, /^postern \d+\.\d+\.\d+$/);
    const answer = JSON.parse((await run("version", "--json")).text);
    assert.equal(answer.node, process.version);
  });

  test("trace shows a table, hostile subjects visibly, and gives rows as JSON lines", async () => {
    await record(1, 2);
    const table = await run("trace");
    assert.equal(table.code, 0);
    assert.equal(table.out.length, 3);
    assert.ok(table.out[1]?.includes(testId(2)));
    for (const line of table.out) assert.equal(isVisible(line), true);
    const json = await run("--json", "trace", "--to", "ALICE", "--subject", "RED");
    assert.deepEqual(
      json.out.map((line) => JSON.parse(line).id),
      [testId(2), testId(1)],
    );
    for (const line of json.out) assert.equal(isVisible(line), true);
    const limited = await run("trace", "--limit", "1");
    assert.equal(limited.out.length, 2);
    assert.match(limited.err.join(), /there may be more/);
  });

  test("a search that finds nothing is a negative answer", async () => {
    await record(1);
    for (const argv of [
      ["--from", "nobody@"],
      ["--ip", "203.0.113.9"],
      ["--since", "2099-01-01"],
    ]) {
      const { code, out, err } = await run("trace", ...argv);
      assert.deepEqual([code, out, err], [1, [], ["nothing found"]]);
    }
    assert.deepEqual(await run("trace", "--from", "nobody@", "--json"), {
      code: 1,
      out: [],
      err: [],
      text: "",
    });
  });

  test("explain tells the story, as JSON the whole of it, and says when there is none", async () => {
    await record(1);
    assert.match((await run("explain", testId(1).toLowerCase())).text, /^Transaction 01M3TEST0/);
    const story = JSON.parse((await run("explain", testId(1), "--json")).text);
    assert.equal(story.record.message.subject, hostile);
    const missing = await run("explain", testId(7));
    assert.deepEqual([missing.code, missing.out], [1, []]);
    const rubbish = await run("explain", hostile, "--json");
    assert.equal(rubbish.code, 1);
    assert.equal(JSON.parse(rubbish.err.join()).code, "not-found");
  });

  test("held mail is listed, shown and counted", async () => {
    assert.deepEqual((await run("quarantine", "list")).out, ["nothing is held"]);
    const { id } = await hold(1);
    const list = await run("quarantine", "list", "--recipient", "alice");
    assert.equal(list.out.length, 2);
    assert.ok(list.out[1]?.startsWith(id));
    const show = await run("quarantine", "show", id);
    assert.match(show.text, /cause +spam \(score 12\)/);
    for (const line of [...list.out, ...show.out]) assert.equal(isVisible(line), true);
    assert.deepEqual((await run("quarantine", "stats")).out, ["1 held, 1 B"]);
    assert.equal((await run("quarantine", "show", "0000000000000000")).code, 1);
    const [line] = (await run("quarantine", "list", "--json", "--cause", "spam")).out;
    assert.equal(JSON.parse(line ?? "").id, id);
  });

  test("a release without a running gateway says when the message will go", async () => {
    const { id } = await hold(1);
    let asked: unknown;
    release = async (...args) => {
      asked = args;
      return { kind: "released", recipients: ["bob@example.org"] };
    };
    const released = await run("quarantine", "release", id, "--to", "bob@example.org", "--force");
    assert.equal(released.code, 0);
    assert.match(released.text, /for bob@example\.org: delivered when the gateway starts/);
    assert.deepEqual(asked, [id, { to: "bob@example.org", by: "admin", force: true }]);
  });

  test("a release that is refused is a negative answer, a store that is away is none", async () => {
    const { id } = await hold(1);
    release = async () => ({ kind: "refused", reason: "held for malware: needs --force" });
    const refused = await run("quarantine", "release", id);
    assert.deepEqual([refused.code, refused.err], [1, ["held for malware: needs --force"]]);
    release = async () => {
      throw new Unavailable("spool", "no space");
    };
    const away = await run("quarantine", "release", id);
    assert.deepEqual([away.code, away.err], [2, ["spool: no space"]]);
  });

  test("a deletion is done once", async () => {
    const { id } = await hold(1);
    assert.deepEqual((await run("quarantine", "delete", id)).out, [`deleted ${id}`]);
    assert.equal((await run("quarantine", "delete", id)).code, 1);
    assert.equal((await run("quarantine", "list", "--state", "deleted")).out.length, 2);
  });

  test("the status of all stores is told one value a line", async () => {
    const { text, code } = await run("stats");
    assert.equal(code, 0);
    assert.match(text, /^spool\.due +0$/m);
    assert.equal(JSON.parse((await run("stats", "--json")).text).spool.held, 0);
  });

  test("a data folder that is not there is told, and the exit code is 2", async () => {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runCli(["trace"], {
      out: (line) => out.push(line),
      err: (line) => err.push(line),
      env: {},
      cwd: dataDir,
      openPort: () =>
        openCommandPort({
          dataDir: join(dataDir, "nowhere"),
          clock,
          openAlone: openStores,
        }),
    });
    assert.equal(code, 2);
    assert.match(err.join(), /no data folder/);
  });
});
