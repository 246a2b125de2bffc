import { errorText, formatProblem, PolicyError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import { createSingleFlight } from "../base/single-flight.ts";
import { openWatchedReading } from "../base/watched-reading.ts";
import type { FactBus } from "../pipeline/facts.ts";
import { type PolicyInput, readPolicy } from "./load-policy.ts";
import type { PolicyHolder, PolicySnapshot } from "./snapshot.ts";

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
  let current: () => PolicySnapshot<Services> | null = () => null;
  const exportInForce = (file: string, key: string) => exportOf(current(), file, key);
  const watched = await openWatchedReading({
    folder,
    clock,
    async read(follow) {
      const reading = await readPolicy({ ...input, exportInForce });
      await follow(reading.marks);
      if (reading.kind === "refused") throw reading.error;
      return reading.snapshot;
    },
    onWatchError: (error) => log.warn("policy-watch-failed", { error: errorText(error) }),
  });
  const inForce = createInForce(watched.first, input);
  current = inForce.current;
  const reload = createSingleFlight(() => watched.read().then(inForce.adopt, inForce.refuse));
  watched.onChange(() => void reload().catch(() => {})); // the log has said it
  return {
    current: inForce.current,
    reload,
    onChange: inForce.onChange,
    lastError: inForce.lastError,
    close: async () => watched.close(),
  };
}

/** When the export that the snapshot goes by was made. */
function exportOf<Services>(
  snapshot: PolicySnapshot<Services> | null,
  file: string,
  key: string,
): number | null {
  for (const { recipients } of snapshot?.domains.all ?? []) {
    const isIt = recipients.kind === "list" && recipients.from === file && recipients.key === key;
    if (isIt && recipients.age) return recipients.age.madeAt;
  }
  return null;
}

interface InForce<Services>
  extends Pick<PolicyHolder<Services>, "current" | "onChange" | "lastError"> {
  /** Puts the snapshot in force, unless it is the same policy. */
  adopt(snapshot: PolicySnapshot<Services>): PolicySnapshot<Services>;
  /** Keeps the policy in force, says so, and throws the error. */
  refuse(error: unknown): never;
}

function createInForce<Services>(
  first: PolicySnapshot<Services>,
  { clock, log, facts, metrics }: PolicyHolderInput<Services>,
): InForce<Services> {
  let current = first;
  let lastError: Error | null = null;
  const listeners = new Set<(snapshot: PolicySnapshot<Services>) => void>();
  const outcomes = metrics.counter(
    "postern_policy_reloads_total",
    "Readings of the policy folder after the start, by outcome.",
    ["outcome"],
  );
  metrics.gauge(
    "postern_policy_in_force",
    "1 when the policy files on disk are in force, 0 when an older policy is kept.",
    () => (lastError === null ? 1 : 0),
    "min",
  );
  return {
    current: () => current,
    lastError: () => lastError,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    adopt(snapshot) {
      lastError = null;
      const previous = current.version;
      const isNew = snapshot.version !== previous || snapshot.secrets !== current.secrets;
      outcomes.add({ outcome: isNew ? "applied" : "unchanged" });
      if (!isNew) return current;
      current = snapshot;
      log.info("policy-reloaded", { version: snapshot.version, previous });
      facts.emit({ kind: "policy-reloaded", at: clock.now(), version: snapshot.version });
      for (const listener of listeners) tell(listener, snapshot, log);
      return current;
    },
    refuse(error) {
      lastError = error instanceof Error ? error : new Error(String(error));
      outcomes.add({ outcome: "rejected" });
      log.error("policy-rejected", { kept: current.version, ...rejection(error) });
      throw lastError;
    },
  };
}

/** A listener that throws does not keep the others from hearing. */
function tell<T>(listener: (value: T) => void, value: T, log: Log): void {
  try {
    listener(value);
  } catch (error) {
    log.error("policy-listener-failed", { error: errorText(error) });
  }
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
