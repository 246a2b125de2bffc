import { pause } from "./base/clock.ts";
import { Unavailable } from "./base/errors.ts";
import type { Ground } from "./compose-ground.ts";
import { createDataLock } from "./control/data-lock.ts";
import { type BackPressure, describePressure, isShut } from "./gateway/back-pressure.ts";
import type { Readiness } from "./gateway/status-server.ts";
import { createPolicyHolder } from "./policy/policy-holder.ts";
import type { PolicyHolder, SigningPolicy } from "./policy/snapshot.ts";
import type { SignOwnMail } from "./relay/mail-signer.ts";
import { createCatalog, type StageServices } from "./stages/catalog.ts";

export type Policy = PolicyHolder<StageServices>;

/** Throws PolicyError. */
export async function openPolicy(stack: AsyncDisposableStack, ground: Ground): Promise<Policy> {
  const folder = ground.settings.policies;
  const policy = await createPolicyHolder({ folder, catalog: createCatalog(), ...ground });
  stack.defer(() => policy.close());
  return policy;
}

/** What Postern writes itself is signed under the policy in force. */
export function ownMailSigner(
  { signer }: Pick<Ground, "signer">,
  signing: () => SigningPolicy,
): SignOwnMail {
  return async (source) =>
    signing().all.length === 0 ? source : (await signer.sign(signing(), source, null)).source;
}

/** Between two attempts to take a lock that is about to be given back. */
const LOCK_AGAIN_MS = 200;

/**
 * Of the data folder: whoever holds it owns the spool. Throws Unavailable when it is not given back
 * within `patienceMs`.
 */
export async function takeLock(
  stack: AsyncDisposableStack,
  { settings, clock, log }: Pick<Ground, "settings" | "clock" | "log">,
  patienceMs = 0,
): Promise<void> {
  const { dataDir } = settings;
  const lock = createDataLock(dataDir);
  const endsAt = clock.monotonic() + patienceMs;
  for (let attempt = 1; !(await lock.take("gateway")); attempt++) {
    const holder = await lock.holder();
    const who = holder ? `a ${holder.purpose} with process id ${holder.pid}` : "another process";
    if (clock.monotonic() >= endsAt)
      throw new Unavailable("data folder", `${dataDir} is held by ${who}`);
    if (attempt === 1) log.warn("waiting-for-lock", { dataDir, holder: who, patienceMs });
    await pause(clock, LOCK_AGAIN_MS);
  }
  stack.defer(() => lock.release());
}

export function readiness(policy: Policy, draining: boolean, pressure: BackPressure): Readiness {
  const reasons = draining ? ["the gateway is stopping"] : [];
  reasons.push(...describePressure(pressure.levels()));
  if (policy.lastError())
    reasons.push("the policy files on disk are invalid; the old policy is in force");
  return { ready: !draining && !isShut(pressure), reasons };
}
