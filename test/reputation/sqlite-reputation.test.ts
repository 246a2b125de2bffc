import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Clock, createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { openStoreDatabase } from "../../src/base/sqlite-database.ts";
import {
  type ReputationOperations,
  reputationStore,
} from "../../src/reputation/reputation-store.ts";
import { createSqliteReputation } from "../../src/reputation/sqlite-reputation.ts";
import { toClientSubject, toNameSubject } from "../../src/reputation/subjects.ts";
import { answered } from "../conformance/reputation-conformance.ts";
import { afterwards } from "../support/afterwards.ts";
import { createSetClock } from "../support/set-clock.ts";
import { waitUntil } from "../support/wait-until.ts";

const ANN = toClientSubject("192.0.2.1");
const DAY = 86_400_000;
const operations = reputationStore.operations as ReputationOperations;

async function makeFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "postern-reputation-"));
  afterwards(context, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

const open = (folder: string, clock: Clock = createSetClock(Date.now())) =>
  createSqliteReputation({ folder, clock, log: createSilentLog(), askLimitMs: 60_000 });

async function hamOf(reputation: ReturnType<typeof open>): Promise<number> {
  return answered(await reputation.look([ANN]))[0]?.counts.ham ?? 0;
}

test("a killed process has lost nothing that was learned more than a second ago", async (context) => {
  const folder = await makeFolder(context);
  const script = fileURLToPath(new URL("../support/learn-until-killed.ts", import.meta.url));
  const child = spawn(process.execPath, [script, folder], { stdio: ["ignore", "pipe", "inherit"] });
  const told: { readonly count: number; readonly at: number }[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    const [count, at] = line.split(" ").map(Number);
    told.push({ count: count ?? 0, at: at ?? 0 });
  });
  const reader = open(folder);
  await waitUntil(
    () => "it has learned nothing",
    async () => (told.length > 0 && (await hamOf(reader)) > 20) || undefined,
  );
  const seen = await hamOf(reader);
  const gone = once(child, "close");
  child.kill("SIGKILL");
  await gone;
  await reader.close();
  const again = open(folder);
  const kept = await hamOf(again);
  await again.close();
  assert.ok(kept >= seen - 0.01, `${seen} were seen, ${kept} are kept`);
  const last = told.at(-1);
  assert.ok(last);
  // Where the processor was somewhere else its own pace stood still as well.
  const still = told.map(({ at }, i) => at - (told[i - 1]?.at ?? at));
  const old = told.filter(({ at }) => at < last.at - 1000 - Math.max(...still)).length;
  assert.ok(kept >= old - 0.01, `${old} were old, ${kept} are kept`);
});

test("several processes use one file: what one learns the others see", async (context) => {
  const folder = await makeFolder(context);
  const all = Array.from({ length: 4 }, () => open(folder));
  for (const one of all)
    for (let i = 0; i < 25; i++) one.learn([{ subject: ANN, add: { ham: 1 } }]);
  await Promise.all(all.map((one) => one.flush()));
  for (const one of all) assert.equal(await hamOf(one), 100);
  const times = { delayMs: 1000, windowMs: 60_000, passMs: 60_000 };
  const touches = await Promise.all(all.map((one) => one.greylist.touch("a", times)));
  assert.equal(touches.filter((one) => answered(one).kind === "new").length, 1);
  await Promise.all(all.map((one) => one.close()));
});

test("no file is made before something is asked, and what was learned is written at the end", async (context) => {
  const folder = join(await makeFolder(context), "reputation");
  const unused = open(folder);
  await unused.close();
  assert.equal(existsSync(folder), false);
  const used = open(folder);
  used.learn([{ subject: ANN, add: { ham: 3 } }]);
  await used.close();
  const again = open(folder);
  assert.equal(Math.round(await hamOf(again)), 3);
  await again.close();
});

test("a file that cannot be used is unknown to all, and in use again once it can", async (context) => {
  const root = await makeFolder(context);
  const folder = join(root, "reputation");
  await writeFile(folder, "in the way");
  const reputation = open(folder);
  reputation.learn([{ subject: ANN, add: { ham: 1 } }]);
  await reputation.flush();
  assert.equal((await reputation.look([ANN])).kind, "unknown");
  assert.equal((await reputation.blocks.get(["a"])).kind, "unknown");
  await rm(folder);
  await mkdir(folder);
  assert.equal((await reputation.look([ANN])).kind, "known");
  await reputation.close();
});

test("a file that hangs costs one session its limit, and nobody else waits", async (context) => {
  const folder = await makeFolder(context);
  const clock = createSystemClock();
  const reputation = createSqliteReputation({
    folder,
    clock,
    log: createSilentLog(),
    askLimitMs: 500,
  });
  await waitUntil(
    () => "it does not start",
    async () => (await reputation.look([ANN])).kind === "known" || undefined,
  );
  const other = openStoreDatabase(
    { file: join(folder, "reputation.db"), durable: false },
    reputationStore,
  );
  other.prepare("BEGIN IMMEDIATE").run();
  const first = await reputation.claim("a", 1000);
  assert.equal(first.kind, "unknown");
  for (let i = 0; i < 3; i++)
    assert.deepEqual(await reputation.look([ANN]), {
      kind: "unknown",
      reason: "reputation: the file does not answer",
    });
  other.prepare("ROLLBACK").run();
  other.close();
  await waitUntil(
    () => "it is not used again",
    async () => (await reputation.look([ANN])).kind === "known" || undefined,
  );
  await reputation.close();
});

test("what has ended is swept in bites; of too much the rows that end soonest go", async (context) => {
  const folder = await makeFolder(context);
  const file = join(folder, "reputation.db");
  const db = openStoreDatabase({ file, durable: false }, reputationStore);
  const now = Date.UTC(2026, 0, 1);
  const times = { delayMs: 1000, windowMs: DAY, passMs: DAY };
  db.transaction(() => {
    for (let i = 0; i < 4500; i++) {
      operations.claim(db, { id: `old ${i}`, now, until: now + 1000 });
    }
  });
  operations.claim(db, { id: "new", now, until: now + DAY });
  operations.greylistTouch(db, { key: "a", times, now });
  const learned = { add: { ham: 1 }, helos: [] };
  const lessons = [{ key: "client:192.0.2.1", learned }];
  operations.write(db, { lessons, hits: [], now, halfLifeMs: 7 * DAY });
  let sweeps = 1;
  while (operations.sweep(db, now + 2000)) sweeps++;
  assert.equal(sweeps, 3);
  const count = (table: string) =>
    Number(db.prepare(`SELECT COUNT(*) AS n FROM ${table}`).get()?.n);
  assert.deepEqual([count("claim"), count("greylist"), count("subject")], [1, 1, 1]);
  operations.sweep(db, now + 61 * DAY);
  assert.deepEqual([count("claim"), count("greylist"), count("subject")], [0, 0, 0]);
  db.close();
});

test("a subject's key may be anything", async (context) => {
  const reputation = open(await makeFolder(context));
  const names = ["'; DROP TABLE subject; --", "__proto__", "\u0000", "ä".repeat(400), ""];
  const subjects = names.map((name) => toNameSubject("helo", name));
  reputation.learn(subjects.map((subject, i) => ({ subject, add: { spam: i + 1 } })));
  await reputation.flush();
  const found = answered(await reputation.look(subjects)).map((one) => one?.counts.spam);
  assert.deepEqual(
    found.map((spam) => Math.round(spam ?? 0)),
    [1, 2, 3, 4, 5],
  );
  await reputation.close();
});
