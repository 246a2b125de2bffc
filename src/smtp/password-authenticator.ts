import { type Clock, startDeadline } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { CounterMetric } from "../base/metrics.ts";
import { matchesPassword } from "../base/password-hash.ts";
import type { QuerySlots } from "../net/query-slots.ts";
import type { Authenticator, LogonAttempt, LogonFailures, LogonOutcome } from "./authenticator.ts";
import type { UserTable } from "./user-table.ts";

/** In one process: each takes 64 MiB, and half a second of a processor and of a thread for files. */
export const VERIFICATIONS_AT_ONCE = 2;
/** Half a second each: who comes later than this is better told to come again. */
export const VERIFICATIONS_WAITING = 50;
const WAIT_MS = 20_000;

/** A name in the log is cut here: it may be a password that was typed into the wrong field. */
const LONGEST_NAME = 64;

export interface PasswordAuthenticatorOptions {
  readonly users: () => UserTable;
  readonly failures: LogonFailures;
  /** Shared by all listeners of a process. */
  readonly slots: QuerySlots;
  readonly clock: Clock;
  readonly log: Log;
  /** By listener and outcome. */
  readonly logons: CounterMetric;
}

/** Passwords against hashes. Names that nobody has take as long as those that somebody has. */
export function createPasswordAuthenticator(options: PasswordAuthenticatorOptions): Authenticator {
  const { clock, log, logons } = options;
  return {
    async logOn(attempt, signal) {
      const deadline = startDeadline(clock, WAIT_MS, signal);
      try {
        const outcome = await judge(options, attempt, deadline.signal);
        tell(options, attempt, outcome);
        return outcome;
      } catch (error) {
        const { listener, ip } = attempt.client;
        logons.add({ listener: listener.name, outcome: "unavailable" });
        const reason = errorText(error);
        log.error("logon-unavailable", { client: ip, listener: listener.name, reason });
        return { kind: "unavailable" };
      } finally {
        deadline.clear();
      }
    },
  };
}

async function judge(
  { users, failures, slots, log }: PasswordAuthenticatorOptions,
  { client, name, password }: LogonAttempt,
  signal: AbortSignal,
): Promise<LogonOutcome> {
  if (await failures.isBlocked(client.ip)) return { kind: "blocked" };
  const release = await slots.take(signal);
  if (release === null) return { kind: "unavailable" };
  try {
    // Again, since many may have come at once: what slips through is as many as there are slots.
    if (await failures.isBlocked(client.ip)) return { kind: "blocked" };
    const table = users();
    const user = table.find(name);
    // The decoy matches nothing; what it answers does not count all the same.
    const isRight = await matchesPassword(password, user?.hash ?? table.decoy);
    if (user !== null && isRight) return { kind: "accepted", user: user.name };
    const { isGuessed } = await failures.add(client.ip, user?.name ?? null);
    // Told and not locked: whoever knows a name could otherwise keep its owner out.
    if (isGuessed && user)
      log.warn("logon-guessing", { listener: client.listener.name, user: user.name });
    return { kind: "refused" };
  } finally {
    release();
  }
}

function tell(
  { log, logons }: PasswordAuthenticatorOptions,
  { client, name }: LogonAttempt,
  outcome: LogonOutcome,
): void {
  const where = { client: client.ip, listener: client.listener.name };
  logons.add({ listener: where.listener, outcome: outcome.kind });
  if (outcome.kind === "accepted") log.info("logon", { ...where, user: outcome.user });
  else
    log.warn("logon-failed", {
      ...where,
      outcome: outcome.kind,
      name: name.slice(0, LONGEST_NAME),
    });
}
