import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import { createSilentLog } from "../../src/base/log.ts";
import { createMemoryReputation } from "../../src/reputation/memory-reputation.ts";
import { createSqliteReputation } from "../../src/reputation/sqlite-reputation.ts";
import { reputationConformance } from "./reputation-conformance.ts";

describe("reputation in memory", () =>
  reputationConformance(async (clock) => createMemoryReputation(clock)));

describe("reputation in SQLite", () => {
  let root = "";
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "postern-reputation-"));
  });
  after(() => rm(root, { recursive: true }));

  reputationConformance(async (clock) => {
    const folder = await mkdtemp(join(root, "r-"));
    return createSqliteReputation({ folder, clock, log: createSilentLog(), askLimitMs: 60_000 });
  });
});
