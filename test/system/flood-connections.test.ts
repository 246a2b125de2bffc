import assert from "node:assert/strict";
import { test } from "node:test";
import { FLOOD_WORKERS, startFloodBench } from "../support/flood-bench.ts";
import { noProc } from "../support/process-weight.ts";

const skip = noProc();
/** With --full a flood lasts until our own deadlines have ended it. */
const FULL = process.env.POSTERN_TEST_FULL !== undefined;
/** A begun command line has 60 s, DATA its 60 s of grace. */
const DEADLINES_MS = 150_000;
/** Behind limits of twenty a client. */
const PER_CLIENT = 20;

for (const workers of FLOOD_WORKERS) {
  const how = `workers: ${workers}`;

  test(`500 slow clients harm nobody, and their deadlines end them (${how})`, {
    skip,
  }, async (t) => {
    const bench = await startFloodBench(t, { workers });
    const { report } = await bench.endure(
      { kind: "slow", clients: 500, addresses: 30 },
      ({ done, closed }) => done && (!FULL || closed === 500),
      DEADLINES_MS,
    );
    assert.equal(report.connected, 500);
    if (!FULL) assert.equal(report.closed, 0);
    else assert.equal(report.goodbyes["421 4.4.2"], 500);
  });

  test(`of 3000 connections from five addresses twenty each stay (${how})`, {
    skip,
  }, async (t) => {
    const bench = await startFloodBench(t, { workers });
    const { report } = await bench.endure({ kind: "connect", clients: 3000, addresses: 5 });
    assert.equal(report.replies["220"], 5 * PER_CLIENT);
    assert.equal(report.closed, 3000 - 5 * PER_CLIENT);
    assert.ok((report.goodbyes["421 4.7.0"] ?? 0) > 0, "refused with a word");
  });

  for (const junk of [false, true]) {
    const what = junk ? "junk for a ClientHello" : "a ClientHello and silence";
    test(`300 clients that send ${what} keep nobody waiting (${how})`, { skip }, async (t) => {
      const bench = await startFloodBench(t, { workers });
      const { report } = await bench.endure(
        { kind: "handshake", clients: 300, junk },
        ({ done, closed }) => done && (!(FULL || junk) || closed === 300),
      );
      assert.equal(report.connected, 300);
      assert.equal(report.replies["220"], 600);
    });
  }
}
