import assert from "node:assert/strict";
import type { Answer } from "../../src/reputation/reputation.ts";

export interface LoggedCall {
  readonly name: string;
  readonly kind: "known" | "unknown";
  readonly began: number;
  readonly ms: number;
}

/**
 * How long each call took, and how late this process' own timers were meanwhile: on a busy machine a
 * wait of ours shows in both, and only what exceeds the second is the product's.
 */
export interface CallLog {
  readonly calls: readonly LoggedCall[];
  of<T>(name: string, call: () => Promise<Answer<T>>): Promise<Answer<T>>;
  /** None since `from` took longer. */
  assertWithin(limitMs: number, from: number): void;
  /** Of those since `from`: 99 of a hundred took no longer. */
  assertP99(limitMs: number, from: number): void;
  /** A duration of the caller's own. */
  assertNoLongerThan(ms: number, limitMs: number): void;
  stop(): void;
}

const TICK_MS = 5;

export function createCallLog(): CallLog {
  const calls: LoggedCall[] = [];
  let lagMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    lagMs = Math.max(lagMs, now - last - TICK_MS);
    last = now;
  }, TICK_MS);
  const since = (from: number) => calls.filter(({ began }) => began >= from);
  return {
    calls,
    async of(name, call) {
      const began = performance.now();
      const answer = await call();
      calls.push({ name, kind: answer.kind, began, ms: performance.now() - began });
      return answer;
    },
    assertWithin(limitMs, from) {
      const slowest = since(from).toSorted((a, b) => b.ms - a.ms)[0];
      assert.ok(slowest, "nothing was called");
      const said = `${slowest.name} took ${slowest.ms} ms, own delays up to ${lagMs} ms`;
      assert.ok(slowest.ms <= limitMs + lagMs, said);
    },
    assertP99(limitMs, from) {
      const sorted = since(from).toSorted((a, b) => a.ms - b.ms);
      const p99 = sorted[Math.floor(sorted.length * 0.99)];
      assert.ok(p99, "nothing was called");
      assert.ok(p99.ms <= limitMs + lagMs, `p99 ${p99.ms} ms, own delays up to ${lagMs} ms`);
    },
    assertNoLongerThan(ms, limitMs) {
      assert.ok(ms <= limitMs + lagMs, `${ms} ms, own delays up to ${lagMs} ms`);
    },
    stop: () => clearInterval(timer),
  };
}
