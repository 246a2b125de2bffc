import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { storeCheck } from "../../src/doctor/store-check.ts";
import { afterwards } from "../support/afterwards.ts";

test("what is wrong inside a database is told in one line, with what is off without it", async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "postern-stores-"));
  afterwards(t, () => rm(dataDir, { recursive: true, force: true }));
  await mkdir(join(dataDir, "quarantine"));
  const file = join(dataDir, "quarantine/quarantine.db");
  const db = new DatabaseSync(file);
  db.exec("CREATE TABLE holds (id INTEGER PRIMARY KEY, item TEXT)");
  const insert = db.prepare("INSERT INTO holds (item) VALUES (?)");
  for (let i = 0; i < 100; i++) insert.run("x".repeat(500));
  db.close();
  const bytes = await readFile(file);
  await writeFile(file, bytes.fill(0xaa, 4 * 4096, 4 * 4096 + 600));
  const [finding, ...others] = await storeCheck({ dataDir, usesRedis: false }).run();
  assert.equal(others.length, 0);
  assert.deepEqual([finding?.subject, finding?.status], [file, "fail"]);
  assert.match(finding?.detail ?? "", /^Tree \d+ page 5: .*: no message can be held, .* gets 451$/);
});

test("what is not made yet is nothing, what is no database has failed, a whole one is well", async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "postern-stores-"));
  afterwards(t, () => rm(dataDir, { recursive: true, force: true }));
  const look = async (usesRedis = false) => {
    const findings = await storeCheck({ dataDir, usesRedis }).run();
    return findings.map(({ subject, status }) => `${status} ${subject.slice(dataDir.length)}`);
  };
  assert.deepEqual(await look(), []);
  for (const name of ["tracking", "quarantine", "reputation"]) await mkdir(join(dataDir, name));
  const tracking = new DatabaseSync(join(dataDir, "tracking/tracking.db"));
  tracking.exec("CREATE TABLE facts (id TEXT); CREATE INDEX facts_id ON facts (id)");
  tracking.close();
  await writeFile(join(dataDir, "quarantine/quarantine.db"), "no database ".repeat(100));
  await mkdir(join(dataDir, "reputation/reputation.db"));
  const expected = ["ok /tracking/tracking.db", "fail /quarantine/quarantine.db"];
  assert.deepEqual(await look(), [...expected, "fail /reputation/reputation.db"]);
  // A file of reputation is an old one where Redis has it.
  assert.deepEqual(await look(true), expected);
});
