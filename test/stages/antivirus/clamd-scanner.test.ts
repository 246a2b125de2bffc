import assert from "node:assert/strict";
import { test } from "node:test";
import { createSilentLog } from "../../../src/base/log.ts";
import { createMetrics } from "../../../src/base/metrics.ts";
import { createScanner } from "../../../src/stages/antivirus/clamd-scanner.ts";
import { afterwards } from "../../support/afterwards.ts";
import { type Misbehaviour, startFakeClamd } from "../../support/fake-clamd.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import {
  bench,
  largeSource,
  NO_DNS,
  never,
  passWatch,
  source,
} from "../../support/scanner-bench.ts";

test("octets arrive as they are, in any chunks, and OK is clean", async (t) => {
  const { scanner, clamd } = await bench(t);
  const large = Buffer.alloc(200_000, "0123456789");
  assert.deepEqual(await scanner.scan(source("a", large, "b"), never), { kind: "clean" });
  assert.ok(clamd.streams[0]?.equals(Buffer.concat([Buffer.from("a"), large, Buffer.from("b")])));
});

test("a chunk of no octets does not end the stream before what hides behind it", async (t) => {
  const { scanner } = await bench(t);
  const result = await scanner.scan(source("clean", "", "[[found Behind.Zero]]"), never);
  assert.deepEqual(result, { kind: "infected", name: "Behind.Zero" });
});

test("a message of no octets is scanned", async (t) => {
  const { scanner, clamd } = await bench(t);
  assert.deepEqual(await scanner.scan(source(), never), { kind: "clean" });
  assert.equal(clamd.streams.length, 1);
});

const NOT_SCANNED: readonly (readonly [Misbehaviour, string])[] = [
  ["close-at-once", "error"],
  ["close-after-first-chunk", "error"],
  ["reset-after-first-chunk", "error"],
  ["half-close-after-first-chunk", "error"],
  ["close-before-reply", "error"],
  ["error", "error"],
  ["huge-reply", "error"],
  ["ok-before-end", "error"],
  ["found-before-end", "error"],
  ["ok-without-nul", "error"],
  ["ok-with-newline", "error"],
  ["ok-twice", "error"],
  ["ok-in-upper-case", "error"],
  ["too-big-after-first-chunk", "too-big"],
];

for (const [misbehaviour, expected] of NOT_SCANNED) {
  test(`a clamd that misbehaves by ${misbehaviour} has not scanned`, async (t) => {
    const { scanner, clamd } = await bench(t);
    clamd.behave(misbehaviour);
    const result = await scanner.scan(largeSource(), never);
    assert.deepEqual([result.kind, "class" in result && result.class], ["not-scanned", expected]);
    clamd.behave("none");
    assert.deepEqual(await scanner.scan(source("next"), never), { kind: "clean" });
  });
}

test("a server that is no clamd has not scanned", async (t) => {
  const { scanner, clamd } = await bench(t);
  clamd.behave("rubbish");
  const result = await scanner.scan(source("x"), never);
  assert.deepEqual([result.kind, "class" in result && result.class], ["not-scanned", "down"]);
});

test("rubbish in answer to the scan alone is no answer", async (t) => {
  const { scanner, clamd } = await bench(t);
  await scanner.scan(source("x"), never);
  clamd.behave("rubbish");
  const result = await scanner.scan(source("x"), never);
  assert.deepEqual([result.kind, "class" in result && result.class], ["not-scanned", "error"]);
});

test("a scan that is never answered ends at the hard limit, while the daemon lives", async (t) => {
  const { scanner, clamd, clock } = await bench(t, { timeoutMs: 20_000 });
  clamd.behave("hang");
  const scan = scanner.scan(source("x"), never);
  await clamd.until(() => clamd.streams.length === 1);
  await clock.advance(4_999);
  await passWatch(clamd, clock, 5);
  await passWatch(clamd, clock, 5_000);
  await passWatch(clamd, clock, 5_000);
  await clock.advance(5_000);
  const result = await scan;
  assert.deepEqual([result.kind, "class" in result && result.class], ["not-scanned", "timeout"]);
  clamd.behave("none");
  assert.deepEqual(await scanner.scan(source("next"), never), { kind: "clean" });
});

test("a daemon that stops in the middle is found out without waiting for the limit", async (t) => {
  const { scanner, clamd, clock } = await bench(t);
  clamd.hold();
  const scan = scanner.scan(source("x"), never);
  await clamd.until(() => clamd.streams.length === 1);
  clamd.behave("stopped");
  await passWatch(clamd, clock, 5_000);
  await clock.advance(5_000);
  const result = await scan;
  assert.deepEqual([result.kind, "class" in result && result.class], ["not-scanned", "down"]);
  assert.equal(clock.monotonic(), 10_000);
});

test("a scan hands over to the next address and says who failed", async (t) => {
  const broken = await startFakeClamd();
  afterwards(t, () => broken.close());
  const second = await startFakeClamd();
  afterwards(t, () => second.close());
  broken.behave("close-before-reply");
  const { scanner } = await bench(t, { addresses: [broken.address, second.address] });
  const outcome = await scanner.run(async (open) => {
    const stream = open();
    await stream.write(Buffer.from("[[found Second.Look]]"));
    return { result: await stream.end() };
  }, never);
  assert.deepEqual(outcome.result, { kind: "infected", name: "Second.Look" });
  assert.equal(outcome.address, second.address);
  assert.equal(outcome.version, "ClamAV 1.4.6/27500/Mon Oct 14 08:25:27 2024");
  assert.deepEqual(outcome.failed, [
    { address: broken.address, reason: "error: closed without an answer" },
  ]);
});

test("an address that is down costs nothing until it is asked again, and recovers", async (t) => {
  const { scanner, clamd, clock } = await bench(t);
  assert.deepEqual(await scanner.scan(source("x"), never), { kind: "clean" });
  await clamd.close();
  const classOf = async () => {
    const result = await scanner.scan(source("x"), never);
    return result.kind === "not-scanned" ? result.class : result.kind;
  };
  assert.equal(await classOf(), "down");
  const back = await startFakeClamd(clamd.port);
  afterwards(t, () => back.close());
  await clock.advance(4_999);
  assert.equal(await classOf(), "down");
  assert.deepEqual(back.commands, []);
  await clock.advance(1);
  assert.equal(await classOf(), "clean");
});

test("closing ends what is under way, as not scanned", async (t) => {
  const { scanner, clamd } = await bench(t);
  clamd.hold();
  const scan = scanner.scan(source("x"), never);
  await clamd.until(() => clamd.streams.length === 1);
  scanner.close();
  assert.equal((await scan).kind, "not-scanned");
});

test("nothing is left behind after a scan: no timer, no connection", async (t) => {
  const { scanner, clamd, clock } = await bench(t);
  await scanner.scan(source("x"), never);
  await clamd.until(() => clamd.open() === 0);
  assert.equal(clock.pendingTimers(), 0);
});

test("health tells version and age, and metrics count", async (t) => {
  const { scanner, clamd, clock, metrics } = await bench(t);
  assert.deepEqual(await scanner.health(never), [
    {
      address: clamd.address,
      up: true,
      version: "ClamAV 1.4.6/27500/Mon Oct 14 08:25:27 2024",
      databaseDate: Date.UTC(2024, 9, 14, 8, 25, 27),
      reason: null,
    },
  ]);
  await scanner.scan(source("x"), never);
  const { text } = await metrics.expose();
  assert.match(text, /postern_antivirus_scans_total\{result="clean"\} 1/);
  assert.match(text, /postern_clamd_down_addresses 0/);
  const age = (clock.now() - Date.UTC(2024, 9, 14, 8, 25, 27)) / 1000;
  assert.match(text, new RegExp(`postern_clamd_database_age_seconds ${age}`));
});

test("an address that cannot be read is refused at once", () => {
  for (const address of ["", "3310", "127.0.0.1", "127.0.0.1:0", "::1:3310", "unix:clamd.ctl"]) {
    const options = { clock: createFakeClock(), log: createSilentLog(), metrics: createMetrics() };
    assert.throws(
      () => createScanner({ ...options, addresses: [address], resolver: NO_DNS }),
      RangeError,
      address,
    );
  }
});
