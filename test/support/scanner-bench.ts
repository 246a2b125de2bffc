import type { TestContext } from "node:test";
import { createSilentLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import type { Resolver } from "../../src/net/resolver.ts";
import { createScanner, type ScannerOptions } from "../../src/stages/antivirus/clamd-scanner.ts";
import type { Scanner } from "../../src/stages/antivirus/scanner.ts";
import { afterwards } from "./afterwards.ts";
import { type FakeClamd, startFakeClamd } from "./fake-clamd.ts";
import { createFakeClock, type FakeClock } from "./fake-clock.ts";

export const NO_DNS: Resolver = {
  lookup: async () => ({ kind: "none", reason: "nxdomain" }),
  networkQueries: () => 0,
  close() {},
};

export const never = new AbortController().signal;

interface Bench {
  readonly clock: FakeClock;
  readonly scanner: Scanner;
  readonly clamd: FakeClamd;
  readonly metrics: ReturnType<typeof createMetrics>;
}

export async function bench(t: TestContext, options: Partial<ScannerOptions> = {}): Promise<Bench> {
  const clamd = await startFakeClamd();
  afterwards(t, () => clamd.close());
  const clock = createFakeClock();
  const metrics = createMetrics();
  const scanner = createScanner({
    addresses: [clamd.address],
    clock,
    log: createSilentLog(),
    metrics,
    resolver: NO_DNS,
    ...options,
  });
  afterwards(t, () => scanner.close());
  return { clock, scanner, clamd, metrics };
}

export function source(...chunks: (string | Buffer)[]) {
  return {
    async *read() {
      for (const chunk of chunks) yield Buffer.from(chunk);
    },
  };
}

/** More than the socket buffers hold, so that the sender is stopped in the middle. */
export function largeSource(onChunk: (sent: number) => void = () => {}) {
  return {
    async *read() {
      for (let i = 0; i < 512; i++) {
        onChunk(i);
        yield Buffer.alloc(64 * 1024, "x");
      }
    },
  };
}

/** Moves the clock and waits until the sign of life that became due has been asked for. */
export async function passWatch(clamd: FakeClamd, clock: FakeClock, ms: number): Promise<void> {
  const before = clamd.commands.length;
  await clock.advance(ms);
  await clamd.until(() => clamd.commands.length > before);
}
