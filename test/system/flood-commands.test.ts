import assert from "node:assert/strict";
import { test } from "node:test";
import { FLOOD_WORKERS, startFloodBench } from "../support/flood-bench.ts";
import { noProc } from "../support/process-weight.ts";

const skip = noProc();
const MIB = 1024 * 1024;
/** behaviour.md 5: the limit and 64 KiB; then what the kernel buffers on both sides. */
const TAKEN_LIMIT = 25 * MIB + 65_536 + 16 * MIB;
const TWO_GB = 2 * 1024 * MIB;
/** Messages in memory, and what a busy process has not collected yet. */
const PEAK_GROWTH_MIB = 128;
/** A hundred open transactions, each of 200 recipients with the reports of their stages. */
const DEAF_GROWTH_MIB = 256;

for (const workers of FLOOD_WORKERS) {
  const how = `workers: ${workers}`;

  test(`20,000 NOOP end their sessions and harm nobody (${how})`, { skip }, async (t) => {
    const bench = await startFloodBench(t, { workers });
    const { report } = await bench.endure({ kind: "noop", commands: 20_000 });
    assert.ok((report.replies["421"] ?? 0) >= 198, "each session is ended by its limit");
  });

  test(`100,000 RCPT are answered 452 and 421, in flat memory (${how})`, { skip }, async (t) => {
    const bench = await startFloodBench(t, { workers });
    const { report, before, peak } = await bench.endure({ kind: "rcpt", commands: 100_000 });
    assert.ok((report.replies["452"] ?? 0) > 80_000);
    assert.ok((report.replies["421"] ?? 0) > 70);
    assert.ok(peak.mib - before.mib < PEAK_GROWTH_MIB, `grew from ${before.mib} to ${peak.mib}`);
  });

  for (const shape of ["lines", "one-line"] as const) {
    test(`2 GB of DATA as ${shape} with SIZE=100 are read up to the limit (${how})`, {
      skip,
    }, async (t) => {
      const bench = await startFloodBench(t, { workers });
      const order = { kind: "data", shape, octets: TWO_GB } as const;
      const { report, before, peak } = await bench.endure(order);
      assert.equal(report.closed, 1, "we have closed");
      assert.ok(report.sent < TAKEN_LIMIT, `${report.sent} octets were taken`);
      assert.ok(peak.mib - before.mib < PEAK_GROWTH_MIB, `grew from ${before.mib} to ${peak.mib}`);
    });
  }

  test(`a million header lines are refused in flat memory (${how})`, { skip }, async (t) => {
    const bench = await startFloodBench(t, { workers });
    const order = { kind: "data", shape: "header-lines", octets: 8_000_000 } as const;
    const { report, before, peak } = await bench.endure(order);
    assert.equal(report.goodbyes["550 5.6.0"], 1);
    assert.ok(peak.mib - before.mib < PEAK_GROWTH_MIB, `grew from ${before.mib} to ${peak.mib}`);
  });

  test(`100 clients that pipeline and read no reply are not read further (${how})`, {
    skip,
  }, async (t) => {
    const bench = await startFloodBench(t, { workers });
    const { before, peak } = await bench.endure({ kind: "deaf", clients: 100 });
    assert.ok(peak.mib - before.mib < DEAF_GROWTH_MIB, `grew from ${before.mib} to ${peak.mib}`);
  });
}
