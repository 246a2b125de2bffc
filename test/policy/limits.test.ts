import assert from "node:assert/strict";
import { test } from "node:test";
import { limitsSchema } from "../../src/policy/limits.ts";

test("nothing written is the whole table of defaults", () => {
  assert.deepEqual(limitsSchema.parse({}), {
    connections: { max: 2000, perClient: 20, newPerClientPerMinute: 60 },
    session: {
      transactions: 100,
      recipients: 200,
      errorsSoft: 10,
      errorsHard: 20,
      unknownSoft: 10,
      unknownHard: 100,
      unknownDelaySeconds: 5,
      idleCommands: 100,
      commandBytes: 2048,
      commandWaitSeconds: 300,
      commandLineSeconds: 60,
      totalSeconds: 1800,
      greetDelaySeconds: 0,
    },
    message: {
      maxBytes: 26_214_400,
      headerBytes: 262_144,
      headerLines: 1000,
      receivedHeaders: 50,
      minBytesPerSecond: 500,
    },
    memory: { messageBytes: 1_048_576, totalBytes: 268_435_456 },
    delivery: {
      waitSeconds: 20,
      retryFirstSeconds: 300,
      retryMaxSeconds: 3600,
      warnAfterSeconds: 14_400,
      giveUpAfterSeconds: 432_000,
    },
    disk: { minFreePercent: 2 },
    backPressure: {
      diskUsedPercent: { normal: 94, medium: 96, high: 98 },
      spoolEntries: { normal: 80_000, medium: 100_000, high: 150_000 },
      messageMemoryPercent: { normal: 75, medium: 90, high: 98 },
      processMemoryPercent: { normal: 71, medium: 75, high: 85 },
      systemMemoryPercent: { normal: 92, medium: 95, high: 98 },
    },
    quarantine: { keepDays: 30 },
    tracking: { keepDays: 30 },
    listeners: {},
  });
});

test("one number changes one limit", () => {
  const limits = limitsSchema.parse({ session: { recipients: 1 } });
  assert.equal(limits.session.recipients, 1);
  assert.equal(limits.session.transactions, 100);
});

test("limits that contradict each other are refused", () => {
  const contradictions = [
    { connections: { max: 10, perClient: 11 } },
    { session: { errorsSoft: 21 } },
    { session: { unknownSoft: 101 } },
    { memory: { messageBytes: 2 ** 30, totalBytes: 2 ** 20 } },
    { delivery: { retryFirstSeconds: 3601 } },
    { delivery: { warnAfterSeconds: 432_001 } },
  ];
  for (const written of contradictions)
    assert.equal(limitsSchema.safeParse(written).success, false, JSON.stringify(written));
});

test("no number of seconds is more than a timer can hold", () => {
  const most = { session: { totalSeconds: 2_147_483 } };
  assert.equal(limitsSchema.safeParse(most).success, true);
  assert.equal(limitsSchema.safeParse({ session: { totalSeconds: 2_147_484 } }).success, false);
});

test("zero, negative numbers, fractions and infinity are no limits", () => {
  for (const maximum of [0, -1, 1.5, Number.POSITIVE_INFINITY, Number.NaN, "5", null])
    assert.equal(limitsSchema.safeParse({ connections: { max: maximum } }).success, false);
});

test("no header section may be larger than what a message keeps of it in memory", () => {
  const most = { message: { headerBytes: 1_048_574 } };
  assert.equal(limitsSchema.safeParse(most).success, true);
  assert.equal(limitsSchema.safeParse({ message: { headerBytes: 1_048_575 } }).success, false);
});
