import { type Clock, startDeadline } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Metrics } from "../../base/metrics.ts";
import { shareOf } from "../../base/share.ts";
import type { Resolver } from "../../net/resolver.ts";
import { parseClamdAddress } from "./clamd-address.ts";
import { type ClamdHost, createClamdHost } from "./clamd-host.ts";
import { pump } from "./pump.ts";
import { countScans, exposeHosts } from "./scan-metrics.ts";
import {
  type JobOutcome,
  notScanned,
  type ScanJob,
  type Scanner,
  type ScannerHealth,
  type ScanResult,
} from "./scanner.ts";

export interface ScannerOptions {
  /** `127.0.0.1:3310`, `unix:/path`: tried in this order when equally busy. At least one. */
  readonly addresses: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** For addresses that are names. */
  readonly resolver: Resolver;
  /** Messages scanned at the same time by one clamd; at most its MaxThreads. */
  readonly maxConcurrent?: number;
  /** How many processes of ours share that. Default: this one. */
  readonly processes?: number;
  /** Messages that may wait for a slot of one clamd. */
  readonly maxWaiting?: number;
  /** For one message with all its parts and all addresses tried, waiting included. */
  readonly timeoutMs?: number;
}

/** Below clamd's own default MaxThreads of 10, so that another user of it finds a thread. */
const MAX_CONCURRENT = 8;
/** At 100 ms a message this line is 10 s long, well inside the limit. */
const MAX_WAITING = 100;
/** Below the stage's limit, so that the evidence can still say what happened. */
const TIMEOUT_MS = 50_000;

type Result = { readonly result: ScanResult };

/**
 * The scanner in front of one or more clamd. Holds no connection and no timer while nothing is
 * scanned. Throws RangeError for an address it cannot read.
 */
export function createScanner(options: ScannerOptions): Scanner {
  const { clock, log, metrics, timeoutMs = TIMEOUT_MS } = options;
  const slots = shareOf(options.maxConcurrent ?? MAX_CONCURRENT, options.processes ?? 1);
  const maxWaiting = options.maxWaiting ?? MAX_WAITING;
  const hosts = options.addresses.map((address) => {
    const target = parseClamdAddress(address);
    if (target === null) throw new RangeError(`not the address of a clamd: ${address}`);
    const endpoint = { target, resolver: options.resolver };
    return createClamdHost(address, endpoint, { clock, log, slots, maxWaiting });
  });
  const count = countScans(metrics);
  exposeHosts(metrics, clock, hosts);

  async function run<T extends Result>(job: ScanJob<T>, parent: AbortSignal) {
    const started = clock.monotonic();
    const deadline = startDeadline(clock, timeoutMs, parent);
    try {
      const outcome = await tryInTurn(hosts, job, deadline.signal);
      count(outcome.result, clock.monotonic() - started);
      return outcome;
    } finally {
      deadline.clear();
    }
  }

  return {
    run,
    async scan(source, signal) {
      const outcome = await run(async (open) => ({ result: await pump(source, open()) }), signal);
      return outcome.result;
    },
    health: (signal) => Promise.all(hosts.map((host) => checkHost(host, signal))),
    close() {
      for (const host of hosts) host.health.close();
    },
  };
}

async function tryInTurn<T extends Result>(
  hosts: readonly ClamdHost[],
  job: ScanJob<T>,
  signal: AbortSignal,
): Promise<JobOutcome<T>> {
  const failed: { address: string; reason: string }[] = [];
  let answer: T | null = null;
  let result: ScanResult = notScanned("down", "no clamd is configured");
  for (const host of inOrder(hosts)) {
    const attempt = await host.attempt(job, signal);
    if ("result" in attempt) answer = attempt;
    result = "result" in attempt ? attempt.result : attempt;
    const address = host.address;
    if (result.kind !== "not-scanned")
      return { answer, result, address, version: host.health.version()?.text ?? null, failed };
    failed.push({ address, reason: `${result.class}: ${result.reason}` });
    if (signal.aborted) break;
  }
  return { answer, result, address: null, version: null, failed };
}

/** Those that are up before those that are not, the least busy first, else as configured. */
function inOrder(hosts: readonly ClamdHost[]): readonly ClamdHost[] {
  const load = (host: ClamdHost) => host.inUse() + host.waiting();
  return [...hosts].sort(
    (a, b) => Number(a.health.isDown()) - Number(b.health.isDown()) || load(a) - load(b),
  );
}

async function checkHost(host: ClamdHost, signal: AbortSignal): Promise<ScannerHealth> {
  const up = signal.aborted ? false : await host.health.probe();
  const version = host.health.version();
  return {
    address: host.address,
    up,
    version: version?.text ?? null,
    databaseDate: version?.databaseDate ?? null,
    reason: host.health.reason(),
  };
}
