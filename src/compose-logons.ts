import { shareOf } from "./base/share.ts";
import { type Certificates, openCertificates } from "./compose-certificates.ts";
import type { Ground } from "./compose-ground.ts";
import { createQuerySlots } from "./net/query-slots.ts";
import { createLogonFailures } from "./reputation/logon-failures.ts";
import type { RateCounters } from "./reputation/rate-counters.ts";
import type { Authenticator } from "./smtp/authenticator.ts";
import {
  createPasswordAuthenticator,
  VERIFICATIONS_AT_ONCE,
  VERIFICATIONS_WAITING,
} from "./smtp/password-authenticator.ts";
import { openUserHolder, type UserHolder } from "./smtp/user-holder.ts";

/** Who may log on where, kept up to date with the files. */
export interface Logons {
  /** Null: nobody logs on at this listener. */
  of(listener: string): Authenticator | null;
  /** Reads all files again. Never rejects. */
  reload(): Promise<void>;
}

/** Rejects when a file cannot be used. */
async function openLogons(
  stack: AsyncDisposableStack,
  { settings, clock, log, metrics, gateways }: Ground,
  counters: RateCounters,
): Promise<Logons> {
  const reloads = metrics.counter(
    "postern_user_file_reloads_total",
    "Readings of files of users after the start, by outcome.",
    ["listener", "outcome"],
  );
  const logons = metrics.counter("postern_smtp_logons_total", "Log-ons by outcome.", [
    "listener",
    "outcome",
  ]);
  const slots = createQuerySlots(shareOf(VERIFICATIONS_AT_ONCE, gateways), VERIFICATIONS_WAITING);
  const shared = { failures: createLogonFailures(counters), slots, clock, log, logons };
  const holders: UserHolder[] = [];
  const authenticators = new Map<string, Authenticator>();
  for (const { name, auth } of settings.listeners) {
    if (auth === null) continue;
    const input = { listener: name, path: auth.users, clock, log, reloads };
    const holder = await openUserHolder(input);
    stack.defer(() => holder.close());
    holders.push(holder);
    authenticators.set(name, createPasswordAuthenticator({ ...shared, users: holder.current }));
  }
  return {
    of: (listener) => authenticators.get(listener) ?? null,
    reload: async () => void (await Promise.all(holders.map((one) => one.reload()))),
  };
}

/** What listeners show, and whose word they take. */
export interface Trust {
  readonly certificates: Certificates;
  readonly logons: Logons;
  /** Of all files. Never rejects. */
  reload(): Promise<void>;
}

/** Rejects when a listener has a file that cannot serve. */
export async function openTrust(
  stack: AsyncDisposableStack,
  ground: Ground,
  counters: RateCounters,
): Promise<Trust> {
  const certificates = await openCertificates(stack, ground);
  const logons = await openLogons(stack, ground, counters);
  const reload = async () => void (await Promise.all([certificates.reload(), logons.reload()]));
  return { certificates, logons, reload };
}
