import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { isVisible } from "../../src/cli/visible-text.ts";
import { createFactBus, type Fact } from "../../src/pipeline/facts.ts";
import type { NewSpoolItem, SpoolItem } from "../../src/spool/spool.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import { toSpoolItem } from "../support/spool-item.ts";
import { createStoreCli, type StoreCli } from "../support/store-cli.ts";

const clock = createSystemClock();
const HOSTILE = "\u001b[31mred\u202e\n";
const TEXT = "Subject: \u001b[31mhostile\r\nX: 1\r\n\r\nbody\r\n";
const LATER = 3_600_000;
let dataDir = "";
let cli: StoreCli;
let facts: Fact[] = [];
let toldHow: "bounced" | "quarantined" = "bounced";

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "postern-queue-"));
  facts = [];
  toldHow = "bounced";
  const bus = createFactBus((error) => assert.fail(String(error)));
  bus.listen((fact) => facts.push(fact));
  cli = createStoreCli({
    dataDir,
    width: 200,
    tellSender: async () => toldHow,
    release: async () => ({ kind: "refused", reason: "not here" }),
    facts: bus,
  });
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const openStores = () => cli.openStores();
const run = (...argv: string[]) => cli.run(...argv);

async function add(to: readonly string[], change: Partial<NewSpoolItem> = {}): Promise<SpoolItem> {
  const { spool, close } = await openStores();
  const item = toSpoolItem(clock, to, { dueAt: clock.now() + LATER, ...change });
  const added = await spool.add(item, toBytesSource(TEXT));
  await close();
  return added;
}

const idsOf = ({ out }: { readonly out: readonly string[] }): readonly string[] =>
  out.map((line) => JSON.parse(line).id);
const filesIn = (state: string) => readdirSync(join(dataDir, "spool", state));

describe("postern queue", () => {
  test("the list tells what waits and why, and nothing in it moves the cursor", async () => {
    assert.deepEqual((await run("queue", "list")).out, ["the queue is empty"]);
    const { id } = await add(["alice@x.test", "bob@x.test"], { reason: HOSTILE });
    const { out, code } = await run("queue", "list");
    assert.equal(code, 0);
    assert.match(out[1] ?? "", new RegExp(`^${id} .* 0 +alice@x\\.test \\+1 +\\\\x1b\\[31mred`));
    for (const line of out) assert.ok(isVisible(line));
    const row = JSON.parse((await run("queue", "list", "--json")).text);
    assert.deepEqual([row.id, row.state, row.attempts], [id, "due", 0]);
  });

  test("each condition narrows the list, and all of them must hold", async () => {
    const a = await add(["alice@x.test"], { reason: "450 greylisted" });
    const b = await add(["bob@y.test", "carol@x.test"]);
    const list = async (...words: string[]) =>
      idsOf(await run("queue", "list", "--json", ...words));
    assert.deepEqual(await list(), [a.id, b.id].sort());
    assert.deepEqual(await list("--recipient", "ALICE"), [a.id]);
    assert.deepEqual(await list("--domain", "Y.test"), [b.id]);
    assert.deepEqual(await list("--domain", "Y.TEST."), [b.id]);
    assert.deepEqual(await list("--domain", "test"), []);
    assert.deepEqual(await list("--domain", "."), []);
    assert.deepEqual(await list("--reason", "GREY"), [a.id]);
    assert.deepEqual(
      await list("--sender", "away.test", "--domain", "x.test"),
      [a.id, b.id].sort(),
    );
    assert.deepEqual(await list("--reason", "grey", "--domain", "y.test"), []);
    assert.deepEqual(await list("--state", "held"), []);
    const limited = await run("queue", "list", "--limit", "1");
    assert.match(limited.err.join(), /there may be more/);
  });

  test("an entry is shown with its envelope, what was noted, and its headers", async () => {
    const { id, transactionId } = await add(["alice@x.test"]);
    await run("queue", "hold", id, "--note", "planned work");
    const { out, text } = await run("queue", "show", transactionId.toLowerCase());
    assert.match(text, /^entry +\S+-/m);
    assert.match(text, /^state +held by admin: planned work$/m);
    assert.match(text, /^What was noted\n {2}\S+ \S+ {2}held by admin: planned work$/m);
    assert.match(text, /Subject: \\x1b\[31mhostile/);
    for (const line of out) assert.ok(isVisible(line));
    const story = JSON.parse((await run("queue", "show", id, "--json")).text);
    assert.equal(story.envelope.recipients[0].address.spoken, "alice@x.test");
    assert.equal(story.history[0].held.by, "admin");
    assert.equal((await run("queue", "show", "nonsense")).code, 1);
  });

  test("what was noted is told as it happened, one thing a line", async () => {
    const { id } = await add(["alice@x.test"], { dueAt: 1 });
    await run("queue", "hold", id, "--note", "planned work");
    await run("queue", "release", id);
    const { spool, close } = await openStores();
    const leave = async (hasCrashed: boolean) => {
      const [lease] = await spool.leaseDue(clock.now(), 1);
      const { recipients } = lease!.item.envelope;
      const reason = hasCrashed ? "its process died" : "451 busy";
      await lease!.retry({ recipients, dueAt: 1, reason, hasCrashed });
    };
    for (const hasCrashed of [false, true, true, true]) await leave(hasCrashed);
    await close();
    const { out } = await run("queue", "show", id);
    const notes = out.slice(out.indexOf("What was noted") + 1, out.indexOf("Headers") - 1);
    assert.deepEqual(
      notes.map((line) => line.replace(/^ {2}\S+ \S+ {2}/, "")),
      [
        "held by admin: planned work",
        "released",
        "attempt 1: 451 busy",
        "attempt 2: its process died",
        "attempt 3: its process died (2 times in a row)",
        "attempt 4: its process died (3 times in a row); held by postern: its process died 3 times while delivering it",
      ],
    );
  });

  test("whether the sender would be told is said, and why not", async () => {
    const show = async (change: Partial<NewSpoolItem>) => {
      const { id } = await add(["alice@x.test"], change);
      return (await run("queue", "show", id)).text;
    };
    const { envelope } = toSpoolItem(clock, ["alice@x.test"]);
    const [alice] = envelope.recipients;
    const recipients = [{ ...alice!, notify: ["NEVER"] as const }];
    const quiet = await show({ envelope: { ...envelope, recipients } });
    assert.match(quiet, /^recipients +alice@x\.test \(NOTIFY=NEVER\)$/m);
    assert.match(await show({ senderAuthenticated: true }), /^bounce +may be sent$/m);
    assert.match(await show({ senderAuthenticated: false }), /^bounce +may not .* forged$/m);
    assert.match(await show({ envelope: { ...envelope, sender: null } }), /sender is null$/m);
    assert.match(await show({ bounce: "delayed" }), /^bounce +it is one itself, about a delay/m);
  });

  test("a transaction with several entries is not one entry", async () => {
    const item = toSpoolItem(clock, ["a@x.test"]);
    const first = await add(["a@x.test"], item);
    const second = await add(["b@y.test"], { transactionId: item.transactionId });
    const { code, err } = await run("queue", "show", item.transactionId);
    assert.equal(code, 1);
    for (const { id } of [first, second]) assert.ok(err.join().includes(id));
  });

  test("an export is the message octet for octet, and overwrites nothing", async () => {
    const { id } = await add(["alice@x.test"]);
    const { code, out } = await run("queue", "export", id);
    assert.equal(code, 0);
    assert.equal(readFileSync(out[0] ?? "", "utf8"), TEXT);
    const envelope = JSON.parse(readFileSync(out[1] ?? "", "utf8"));
    assert.equal(envelope.envelope.sender.spoken, "sender@away.test");
    const again = await run("queue", "export", id);
    assert.deepEqual([again.code, again.out], [2, []]);
    const why = `${out[0]} is there already and stays as it is: name another file with --output`;
    assert.deepEqual(again.err, [why]);
    const { err } = await run("queue", "export", id, "--json");
    assert.deepEqual(JSON.parse(err.join()), { error: why, code: "usage" });
    assert.equal((await run("queue", "export", id, "-o", "other.eml")).code, 0);
    assert.equal(readFileSync(join(dataDir, "other.eml"), "utf8"), TEXT);
  });

  test("an export is for its owner alone, and leaves no half when one file is there already", async () => {
    const { id } = await add(["alice@x.test"]);
    const { out } = await run("queue", "export", id);
    for (const file of out) assert.equal(statSync(file).mode & 0o777, 0o600, file);
    rmSync(out[0] ?? "");
    const again = await run("queue", "export", id);
    assert.equal(again.code, 2);
    assert.match(again.err.join(), /\.json is there already/);
    assert.equal(existsSync(out[0] ?? ""), false);
  });

  test("what is held stays so, over restarts, until it is released", async () => {
    const { id, transactionId } = await add(["alice@x.test"], { dueAt: 1 });
    const held = await run("queue", "hold", id, "--note", "planned work");
    assert.deepEqual([held.code, held.out], [0, [`${id}  held`]]);
    assert.match(
      (await run("queue", "list")).text,
      / held +0 +alice@x\.test +held by admin: planned/,
    );
    assert.equal((await run("queue", "hold", id)).code, 1);
    const { spool, close } = await openStores();
    assert.deepEqual(await spool.leaseDue(clock.now(), 9), []);
    await close();
    assert.equal((await run("queue", "retry", "--all")).code, 1);
    const released = await run("queue", "release", transactionId);
    assert.deepEqual([released.code, released.out], [0, [`${id}  released, due now`]]);
    assert.equal((await run("queue", "release", id)).code, 1);
    assert.deepEqual(
      facts.map((fact) => fact.kind !== "decided" && "by" in fact && `${fact.kind} ${fact.by}`),
      ["queue-held admin", "queue-released admin"],
    );
    const next = await openStores();
    const [lease] = await next.spool.leaseDue(clock.now(), 9);
    assert.deepEqual([lease?.item.id, lease?.item.held], [id, undefined]);
    await next.close();
  });

  test("a retry by id releases what is held; by a condition it leaves it alone", async () => {
    const one = await add(["alice@x.test"]);
    const two = await add(["bob@x.test"]);
    await run("queue", "hold", one.id);
    const all = await run("queue", "retry", "--domain", "x.test");
    assert.deepEqual(all.out, [`${two.id}  due now`]);
    assert.deepEqual((await run("queue", "retry", one.id)).out, [`${one.id}  due now`]);
    assert.deepEqual(filesIn("held"), []);
  });

  test("one is dropped at a word, more only with --yes", async () => {
    const items = [await add(["a@x.test"]), await add(["b@x.test"]), await add(["c@y.test"])];
    const careless = await run("queue", "drop", "--domain", "x.test");
    assert.deepEqual([careless.code, careless.out], [2, []]);
    assert.match(careless.err.join(), /this drops 2 messages: say --yes/);
    const { code, err } = await run("queue", "drop", "--domain", "x.test", "--json");
    assert.equal(code, 2);
    assert.deepEqual(JSON.parse(err.join()), { error: careless.err[0], code: "usage" });
    const careless2 = await run("queue", "drop", ...items.map(({ id }) => id));
    assert.equal(careless2.code, 2);
    assert.equal(filesIn("due").length, 3);
    assert.deepEqual((await run("queue", "drop", items[2]!.id)).out, [`${items[2]!.id}  dropped`]);
    const both = await run("queue", "drop", "--domain", "x.test", "--yes", "--json");
    assert.deepEqual(
      both.out.map((line) => JSON.parse(line).outcome),
      ["done", "done"],
    );
    assert.equal(filesIn("due").length, 0);
    assert.equal(facts.filter(({ kind }) => kind === "queue-dropped").length, 3);
    assert.equal((await run("queue", "drop", items[0]!.id)).code, 1);
  });

  test("a drop with a bounce says whether the sender could be told", async () => {
    const one = await add(["a@x.test"]);
    const two = await add(["b@x.test"]);
    assert.match((await run("queue", "drop", one.id, "--bounce")).text, /the sender is told/);
    toldHow = "quarantined";
    assert.match((await run("queue", "drop", two.id, "--bounce")).text, /kept in quarantine/);
    assert.equal(filesIn("due").length, 0);
  });

  test("orders without a choice, or with two, are mistakes; ids that are not there are told", async () => {
    const { id } = await add(["a@x.test"]);
    for (const verb of ["retry", "hold", "release", "drop"]) {
      assert.equal((await run("queue", verb)).code, 2, verb);
      assert.equal((await run("queue", verb, id, "--all")).code, 2, verb);
      const { err } = await run("queue", verb, "--json");
      assert.equal(JSON.parse(err.join()).code, "usage", verb);
      const missing = await run("queue", verb, "1M80QBTJAC8D77JFC4");
      assert.equal(missing.code, 1, verb);
      assert.match(missing.text, /is not in the queue/);
    }
    assert.equal((await run("queue", "list", "--state", "lost")).code, 2);
    assert.equal((await run("queue", "retry", "--domain", "nobody.test")).code, 1);
  });

  test("entries are counted by domain and age", async () => {
    const old = clock.now() - 3 * 3_600_000;
    await add(["a@x.test"], { receivedAt: old });
    await add(["b@x.test", "c@y.test"]);
    const { out } = await run("queue", "stats");
    assert.match(out[1] ?? "", /^to +total +held +<5 +<10/);
    assert.match(out[2] ?? "", /^all +2 +0 +1 +0 +0 +0 +0 +0 +1 +0/);
    assert.match(out[3] ?? "", /^x\.test +2 +0 +1/);
    assert.match(out[4] ?? "", /^y\.test +1 +0 +1/);
    const count = JSON.parse((await run("queue", "stats", "--json")).text);
    assert.deepEqual([count.entries, count.domains.length], [2, 2]);
  });
});
