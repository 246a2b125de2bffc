import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createSqliteTracking } from "../../src/tracking/sqlite-tracking.ts";
import { afterwards } from "../support/afterwards.ts";
import { testRecord, testReport } from "../support/test-records.ts";

const COUNT = 1203;

test("what a stage saw is read newest first, bite by bite, up to what is asked for", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "postern-evidence-"));
  const tracking = createSqliteTracking({
    folder,
    clock: createSystemClock(),
    log: createSilentLog(),
  });
  afterwards(t, async () => {
    await tracking.close();
    await rm(folder, { recursive: true, force: true });
  });
  for (let n = 1; n <= COUNT; n++) {
    const reports = [
      testReport("spf", { evidence: { result: "pass" } }),
      ...(n % 2 === 1 ? [testReport("dnsbl", { evidence: { n } })] : []),
      testReport("dkim", { evidence: null }),
    ];
    const record = testRecord(n, { reports });
    assert.ok(tracking.record({ kind: "decided", at: record.decidedAt, record }));
  }
  const read = async (stage: string, since: number, most: number) => {
    const found = await Array.fromAsync(tracking.stageEvidence({ stage, since, most }));
    return found.map(({ evidence }) => (evidence as { readonly n: number }).n);
  };
  const odd = Array.from({ length: COUNT }, (_, i) => COUNT - i).filter((n) => n % 2 === 1);
  assert.deepEqual(await read("dnsbl", 0, 10_000), odd);
  assert.deepEqual(
    await read("dnsbl", 0, 700),
    odd.filter((n) => n > COUNT - 700),
  );
  const since = testRecord(1201).decidedAt;
  assert.deepEqual(await read("dnsbl", since, 10_000), [1203, 1201]);
  assert.deepEqual(await read("dkim", 0, 10_000), [], "a stage that saw nothing has no evidence");
  assert.deepEqual(await read("unheard-of", 0, 10_000), []);
});
