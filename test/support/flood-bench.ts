import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { afterwards } from "./afterwards.ts";
import type { FloodOrder, FloodReport } from "./flood-report.ts";
import { COLLECTABLE, collectGarbage } from "./garbage.ts";
import { spawnGateway } from "./gateway-process.ts";
import { type ProcessWeight, weigh } from "./process-weight.ts";
import { SIMPLE_MESSAGE, sendMail } from "./send-mail.ts";
import { startSinkHub } from "./sink-hub.ts";
import { writeGatewayFiles } from "./test-gateway.ts";
import { waitUntil } from "./wait-until.ts";

/** Processes of the gateway that floods are tried with. */
export const FLOOD_WORKERS: readonly number[] = [1, 2];

const LOAD = join(import.meta.dirname, "flood-load.ts");
/** Issue 3: whoever does no harm is served in under two seconds throughout. */
const SERVED_LIMIT_MS = 2000;
const NORMAL_EVERY_MS = 200;
/** It has several addresses, for one may come only sixty times a minute. */
const PER_ADDRESS = 50;
/** A flood is not over before so many were served. */
const LEAST_SERVED = 8;
/** What V8 and the allocator keep after work that was new to them, for each process. */
const MEMORY_TOLERANCE_MIB = 48;
/** Connections to the hub that are kept for the next message, and files of the stores. */
const DESCRIPTOR_TOLERANCE = 8;
const SETTLE_LIMIT_MS = 30_000;
const COLLECT_EVERY_MS = 300;
const WARM_UP = 20;

export interface FloodOutcome {
  readonly report: FloodReport;
  readonly slowestMs: number;
  readonly before: ProcessWeight;
  /** The most that was seen while it lasted. */
  readonly peak: ProcessWeight;
  readonly after: ProcessWeight;
}

export interface FloodBench {
  /**
   * Lets the load run until `enough`, while a normal client is served again and again; then ends
   * it and waits until memory and descriptors are back. Fails when one of these does not hold.
   */
  endure(
    order: FloodOrder,
    enough?: (report: FloodReport) => boolean,
    limitMs?: number,
  ): Promise<FloodOutcome>;
}

/** `postern serve` with its default limits in a process of its own, before a hub that takes all. */
export async function startFloodBench(
  t: TestContext,
  { workers }: { readonly workers: number },
): Promise<FloodBench> {
  const stack = new AsyncDisposableStack();
  afterwards(t, () => stack.disposeAsync());
  const folder = mkdtempSync(join(tmpdir(), "postern-flood-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const hub = await startSinkHub();
  stack.defer(() => hub.close());
  const settingsFile = await writeGatewayFiles(folder, {
    hubPort: hub.port,
    settings: { workers },
  });
  const gateway = spawnGateway({ settingsFile, env: COLLECTABLE });
  stack.defer(() => gateway.stop());
  const port = await gateway.listening();
  const normal = createNormalClient(port);
  for (let i = 0; i < WARM_UP; i++) await normal.serve();
  const look = () => weigh(gateway.pid);
  return {
    async endure(order, enough = ({ done }) => done, limitMs = 60_000) {
      const before = look();
      const load = startLoad(port, order);
      stack.defer(() => load.stop());
      const watch = watchPeak(look);
      const visit = normal.visitUntil(
        (served) => served >= LEAST_SERVED && enough(load.report()),
        () => `the flood is not over: ${JSON.stringify(load.report())}`,
        limitMs,
      );
      const slowestMs = await visit.finally(() => watch.stop());
      const report = load.report();
      await load.stop();
      await normal.serve();
      const after = await settled(gateway.pid, before, workers);
      const outcome = { report, slowestMs, before, peak: watch.peak(), after };
      t.diagnostic(JSON.stringify(outcome));
      return outcome;
    },
  };
}

function createNormalClient(port: number) {
  let count = 0;
  /** From connect to the final 250. */
  const serve = async (): Promise<number> => {
    const localAddress = `127.0.9.${1 + Math.floor(count++ / PER_ADDRESS)}`;
    const start = performance.now();
    const { final } = await sendMail({ port, localAddress, message: SIMPLE_MESSAGE });
    const ms = performance.now() - start;
    assert.equal(final?.code, 250, `the normal client hears ${final?.text}`);
    assert.ok(ms < SERVED_LIMIT_MS, `the normal client was served in ${ms.toFixed(0)} ms`);
    return ms;
  };
  return {
    serve,
    async visitUntil(isOver: (served: number) => boolean, what: () => string, limitMs: number) {
      const end = performance.now() + limitMs;
      let slowestMs = 0;
      for (let served = 0; !isOver(served); served++) {
        if (performance.now() > end) throw new Error(what());
        slowestMs = Math.max(slowestMs, await serve());
        await sleep(NORMAL_EVERY_MS);
      }
      return slowestMs;
    },
  };
}

function startLoad(port: number, order: FloodOrder) {
  const child: ChildProcess = fork(LOAD, [String(port), JSON.stringify(order)], {
    execArgv: [],
  });
  let last: FloodReport = {
    connected: 0,
    closed: 0,
    sent: 0,
    replies: {},
    goodbyes: {},
    done: false,
  };
  child.on("message", (report) => {
    last = report as FloodReport;
  });
  return {
    report: () => last,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

function watchPeak(look: () => ProcessWeight) {
  let peak = look();
  const timer = setInterval(() => {
    const { mib, descriptors } = look();
    peak = {
      mib: Math.max(peak.mib, mib),
      descriptors: Math.max(peak.descriptors, descriptors),
    };
  }, 50);
  return { peak: () => peak, stop: () => clearInterval(timer) };
}

/** Memory comes back when V8 has collected, which it does at its leisure: so it is asked to. */
function settled(pid: number, before: ProcessWeight, workers: number): Promise<ProcessWeight> {
  let now = before;
  return waitUntil(
    () => `held before: ${JSON.stringify(before)}, and after: ${JSON.stringify(now)}`,
    async () => {
      collectGarbage(pid);
      await sleep(COLLECT_EVERY_MS);
      now = weigh(pid);
      const light = now.mib <= before.mib + MEMORY_TOLERANCE_MIB * workers;
      const closed = now.descriptors <= before.descriptors + DESCRIPTOR_TOLERANCE * workers;
      return light && closed ? now : undefined;
    },
    SETTLE_LIMIT_MS,
  );
}
