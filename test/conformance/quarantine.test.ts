import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createSqliteQuarantine } from "../../src/quarantine/sqlite-quarantine.ts";
import { quarantineConformance } from "./quarantine-conformance.ts";

describe("sqlite quarantine", () => {
  let root = "";
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "postern-quarantine-"));
  });
  after(() => rm(root, { recursive: true }));

  quarantineConformance(async () =>
    createSqliteQuarantine({
      folder: await mkdtemp(join(root, "q-")),
      clock: createSystemClock(),
      log: createSilentLog(),
    }),
  );
});
