import assert from "node:assert/strict";
import { test } from "node:test";
import { createCatalog } from "../../src/stages/catalog.ts";

const stages = createCatalog();

test("no two stages have the same name, and the name of a stage can stand in a scope", () => {
  const names = stages.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.match(name, /^[a-z][a-z0-9-]*$/);
});

test("every stage but domains works without a file of its own", () => {
  for (const stage of stages.filter(({ name }) => name !== "domains")) {
    assert.ok(stage.options.safeParse({}).success, stage.name);
  }
});

test("no stage has time beyond the budget of its phase", () => {
  const budgets = { connect: 5_000, helo: 2_000, mail: 8_000, rcpt: 8_000, data: 60_000 };
  for (const stage of stages) {
    const options = stage.options.safeParse({}).data;
    const { timeoutMs } = stage.bind(options, { mode: "enforce" });
    assert.ok(timeoutMs <= budgets[stage.phase], stage.name);
  }
});

test("only domains keeps its effect in monitor mode, and no check of content can be skipped", () => {
  const bound = stages.map((stage) =>
    stage.bind(stage.options.safeParse({}).data, { mode: "observe" }),
  );
  const named = (keep: (stage: (typeof bound)[number]) => boolean) =>
    bound.filter(keep).map(({ name }) => name);
  assert.deepEqual(
    named(({ essential }) => essential),
    ["domains"],
  );
  for (const name of ["domains", "attachments", "antivirus", "access"]) {
    assert.ok(!named(({ trustable }) => trustable).includes(name), name);
  }
});
