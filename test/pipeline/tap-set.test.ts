import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../src/base/json.ts";
import type { Message } from "../../src/mail/message.ts";
import type { PhasePlan } from "../../src/pipeline/plan.ts";
import type { BoundStage, Tap } from "../../src/pipeline/stage.ts";
import { openTaps, TAP_PATIENCE_MS } from "../../src/pipeline/tap-set.ts";
import { createFakeClock } from "../support/fake-clock.ts";

type DataStage = BoundStage<"data", object>;

const signal = new AbortController().signal;
const STAGE = { name: "reader" } as DataStage;
const PHASE: PhasePlan<"data", object> = { budgetMs: 1000, steps: [[STAGE]] };

function messageOf(...chunks: string[]): Message {
  return {
    async *read() {
      for (const chunk of chunks) yield Buffer.from(chunk);
    },
  } as unknown as Message;
}

function collector(log: string[], write?: (text: string) => Promise<void>): Tap<Json> {
  let text = "";
  return {
    async write(chunk) {
      await write?.(String(chunk));
      text += String(chunk);
    },
    async end() {
      log.push("end");
      return text;
    },
    abort: () => void log.push("abort"),
  };
}

test("a tap sees the stream once and gives its evidence at the end", async () => {
  const log: string[] = [];
  const taps = openTaps(PHASE, () => collector(log), createFakeClock());
  await taps.write(Buffer.from("ab"));
  await taps.write(Buffer.from("cd"));
  assert.equal(await taps.evidence(STAGE, messageOf("never read"), signal), "abcd");
  taps.abort();
  assert.deepEqual(log, ["end"], "exactly one of end and abort");
});

test("a tap that is too slow is dropped and reads the message at rest", async () => {
  const log: string[] = [];
  const clock = createFakeClock();
  let opened = 0;
  const stuck = () => new Promise<void>(() => {});
  const open = () => collector(log, opened++ === 0 ? stuck : undefined);
  const taps = openTaps(PHASE, open, clock);
  const written = taps.write(Buffer.from("ab"));
  await clock.advance(TAP_PATIENCE_MS + 1);
  await written;
  await taps.write(Buffer.from("cd"));
  assert.equal(await taps.evidence(STAGE, messageOf("ab", "cd"), signal), "abcd");
  assert.deepEqual(log, ["abort", "end"]);
});

test("a tap that throws at once is a failed one, and the stream goes on", async () => {
  const clock = createFakeClock();
  const log: string[] = [];
  const broken = {
    ...collector(log),
    write(): Promise<void> {
      throw new Error("at once");
    },
  };
  const taps = openTaps(PHASE, () => broken, clock);
  await taps.write(Buffer.from("ab"));
  await taps.write(Buffer.from("cd"));
  await assert.rejects(taps.evidence(STAGE, messageOf("ab", "cd"), signal), /at once/);
  assert.deepEqual(log, ["abort"]);
  assert.equal(clock.pendingTimers(), 0);
});

test("patience is counted over the whole message, not for each chunk", async () => {
  const clock = createFakeClock();
  const log: string[] = [];
  const slowly = () => new Promise<void>((done) => void clock.after(TAP_PATIENCE_MS * 0.6, done));
  const taps = openTaps(PHASE, () => collector(log, slowly), clock);
  for (let i = 0; i < 2; i++) {
    const written = taps.write(Buffer.from("x"));
    await clock.advance(TAP_PATIENCE_MS * 0.6);
    await written;
  }
  assert.deepEqual(log, ["abort"]);
});

test("what a tap throws reaches the runner and does not disturb the stream", async () => {
  const log: string[] = [];
  const broken = async () => {
    throw new Error("cannot parse");
  };
  const taps = openTaps(PHASE, () => collector(log, broken), createFakeClock());
  await taps.write(Buffer.from("ab"));
  await taps.write(Buffer.from("cd"));
  await assert.rejects(taps.evidence(STAGE, messageOf("abcd"), signal), /cannot parse/);
  assert.deepEqual(log, ["abort"]);
});

test("an aborted message aborts every tap, once", () => {
  const log: string[] = [];
  const taps = openTaps(PHASE, () => collector(log), createFakeClock());
  taps.abort();
  taps.abort();
  assert.deepEqual(log, ["abort"]);
});
