import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createSqliteTracking } from "../../src/tracking/sqlite-tracking.ts";
import { trackingConformance } from "./tracking-conformance.ts";

describe("sqlite tracking", () => {
  let root = "";
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "postern-tracking-"));
  });
  after(() => rm(root, { recursive: true }));

  trackingConformance(async () =>
    createSqliteTracking({
      folder: await mkdtemp(join(root, "t-")),
      clock: createSystemClock(),
      log: createSilentLog(),
    }),
  );
});
