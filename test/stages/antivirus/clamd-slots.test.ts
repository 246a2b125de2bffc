import assert from "node:assert/strict";
import { test } from "node:test";
import { afterwards } from "../../support/afterwards.ts";
import { startFakeClamd } from "../../support/fake-clamd.ts";
import { bench, largeSource, never, passWatch, source } from "../../support/scanner-bench.ts";

test("one message that its sender made unscannable does not close the scanner to others", async (t) => {
  const { scanner, clamd, clock } = await bench(t);
  clamd.behave("close-before-reply");
  for (let i = 0; i < 10; i++) await scanner.scan(source("x"), never);
  clamd.behave("none");
  assert.deepEqual(await scanner.scan(source("next"), never), { kind: "clean" });
  assert.equal(clock.monotonic(), 0);
});

test("no more messages at a time than slots, the line is bounded, and all get their turn", async (t) => {
  const { scanner, clamd } = await bench(t, { maxConcurrent: 2, maxWaiting: 3 });
  clamd.hold();
  const scans = Array.from({ length: 6 }, () => scanner.scan(source("x"), never));
  const busy = await Promise.race(scans);
  assert.deepEqual(busy, { kind: "not-scanned", class: "busy", reason: "too many scans wait" });
  await clamd.until(() => clamd.streams.length === 2);
  clamd.release();
  const kinds = (await Promise.all(scans)).map((result) => result.kind);
  assert.equal(kinds.filter((kind) => kind === "clean").length, 5);
  assert.equal(clamd.mostOpen(), 2);
});

test("whoever waits for a slot and is no longer wanted leaves the line", async (t) => {
  const { scanner, clamd } = await bench(t, { maxConcurrent: 1, maxWaiting: 1 });
  clamd.hold();
  const first = scanner.scan(source("x"), never);
  await clamd.until(() => clamd.streams.length === 1);
  const leaver = new AbortController();
  const second = scanner.scan(source("x"), leaver.signal);
  leaver.abort(new Error("client left"));
  const result = await second;
  assert.deepEqual([result.kind, "class" in result && result.class], ["not-scanned", "timeout"]);
  const third = scanner.scan(source("x"), never);
  clamd.release();
  assert.deepEqual([(await first).kind, (await third).kind], ["clean", "clean"]);
});

test("the busiest scanner is not given more while another is idle", async (t) => {
  const one = await startFakeClamd();
  afterwards(t, () => one.close());
  const two = await startFakeClamd();
  afterwards(t, () => two.close());
  const { scanner } = await bench(t, { addresses: [one.address, two.address] });
  one.hold();
  const first = scanner.scan(source("x"), never);
  await one.until(() => one.streams.length === 1);
  assert.equal((await scanner.scan(source("y"), never)).kind, "clean");
  one.release();
  await first;
  assert.deepEqual([one.streams.length, two.streams.length], [1, 1]);
});

test("a slow scanner holds the reader back instead of filling memory", async (t) => {
  const { scanner, clamd, clock } = await bench(t);
  await scanner.scan(source("x"), never);
  clamd.behave("stopped");
  let sent = 0;
  const scan = scanner.scan(
    largeSource((chunk) => {
      sent = chunk;
    }),
    never,
  );
  await clamd.until(() => clamd.commands.filter((name) => name === "zINSTREAM").length === 2);
  await passWatch(clamd, clock, 5_000);
  await clock.advance(5_000);
  await scan;
  // 32 MiB were to be sent; what went are the buffers of both sockets.
  assert.ok(sent < 256, `${sent} chunks of 64 KiB`);
});
