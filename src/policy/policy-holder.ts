import { errorText, formatProblem, PolicyError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import type { FactBus } from "../pipeline/facts.ts";
import { type LoadedPolicy, loadPolicyWithPaths, type PolicyInput } from "./load-policy.ts";
import type { PolicyHolder, PolicySnapshot } from "./snapshot.ts";
import { watchFiles } from "./watch-files.ts";

export interface PolicyHolderInput<Services> extends PolicyInput<Services> {
  readonly log: Log;
  readonly facts: FactBus;
  readonly metrics: Metrics;
}

/** More would make one log line a book; `check` prints them all. */
const MAX_LOGGED_PROBLEMS = 20;

/**
 * Loads the policy, throwing PolicyError when it cannot be used, and keeps it up to date with the
 * files. A change is all or nothing: what cannot be used leaves the old snapshot in force.
 */
export async function createPolicyHolder<Services>(
  input: PolicyHolderInput<Services>,
): Promise<PolicyHolder<Services>> {
  const { folder, clock, log } = input;
  const outcomes = input.metrics.counter(
    "postern_policy_reloads_total",
    "Readings of the policy folder after the start, by outcome.",
    ["outcome"],
  );
  let onFiles = () => {};
  // Before the first reading, so that no change falls between the two.
  const watcher = await watchFiles({
    folder,
    clock,
    onChange: () => onFiles(),
    onError: (error) => log.warn("policy-watch-failed", { error: errorText(error) }),
  });
  const first = await loadPolicyWithPaths(input).catch(async (error: unknown) => {
    await watcher.close();
    throw error;
  });
  let current = first.snapshot;
  let lastError: Error | null = null;
  const listeners = new Set<(snapshot: PolicySnapshot<Services>) => void>();

  const adopt = async ({ snapshot, paths }: LoadedPolicy<Services>) => {
    await watcher.follow(paths);
    lastError = null;
    const previous = current.version;
    if (snapshot.version === previous) return outcomes.add({ outcome: "unchanged" });
    current = snapshot;
    outcomes.add({ outcome: "applied" });
    log.info("policy-reloaded", { version: snapshot.version, previous });
    input.facts.emit({ kind: "policy-reloaded", at: clock.now(), version: snapshot.version });
    tell(listeners, snapshot, log);
  };
  const reload = createSingleFlight(async () => {
    try {
      await adopt(await loadPolicyWithPaths(input));
    } catch (error) {
      lastError = error instanceof Error ? error : new Error(String(error));
      outcomes.add({ outcome: "rejected" });
      log.error("policy-rejected", { kept: current.version, ...rejection(error) });
      throw lastError;
    }
    return current;
  });

  input.metrics.gauge(
    "postern_policy_in_force",
    "1 when the policy files on disk are in force, 0 when an older policy is kept.",
    () => (lastError === null ? 1 : 0),
  );
  await watcher.follow(first.paths);
  onFiles = () => void reload().catch(ignore); // the log has said it
  return {
    current: () => current,
    reload,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    lastError: () => lastError,
    close: () => watcher.close(),
  };
}

function rejection(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof PolicyError))
    return {
      problems: [errorText(error)],
      stack: error instanceof Error ? error.stack : undefined,
    };
  const { problems } = error;
  const shown = problems.slice(0, MAX_LOGGED_PROBLEMS).map(formatProblem);
  return { problems: shown, more: problems.length - shown.length };
}

function tell<T>(listeners: Iterable<(value: T) => void>, value: T, log: Log): void {
  for (const listener of listeners) {
    try {
      listener(value);
    } catch (error) {
      log.error("policy-listener-failed", { error: errorText(error) });
    }
  }
}

/**
 * One run at a time. Who asks during a run gets the run after it, shared with all who ask
 * meanwhile: the files may have changed since the running one read them.
 */
function createSingleFlight<T>(run: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null;
  let next: Promise<T> | null = null;
  const start = () => {
    const work = run().finally(() => {
      if (running === work) running = null;
    });
    running = work;
    return work;
  };
  return () => {
    if (next) return next;
    if (!running) return start();
    next = running.then(ignore, ignore).then(() => {
      next = null;
      return start();
    });
    return next;
  };
}

function ignore(): void {}
