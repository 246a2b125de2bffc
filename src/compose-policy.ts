import { Unavailable } from "./base/errors.ts";
import type { Ground } from "./compose-ground.ts";
import { createDataLock } from "./control/data-lock.ts";
import type { Readiness } from "./gateway/status-server.ts";
import { createPolicyHolder } from "./policy/policy-holder.ts";
import type { PolicyHolder } from "./policy/snapshot.ts";
import { createCatalog, type StageServices } from "./stages/catalog.ts";

export type Policy = PolicyHolder<StageServices>;

/** Throws PolicyError. */
export async function openPolicy(stack: AsyncDisposableStack, ground: Ground): Promise<Policy> {
  const folder = ground.settings.policies;
  const policy = await createPolicyHolder({ folder, catalog: createCatalog(), ...ground });
  stack.defer(() => policy.close());
  return policy;
}

/** Of the data folder: whoever holds it owns the spool. Throws Unavailable. */
export async function takeLock(stack: AsyncDisposableStack, dataDir: string): Promise<void> {
  const lock = createDataLock(dataDir);
  if (!(await lock.take("gateway"))) {
    const holder = await lock.holder();
    const who = holder ? `a ${holder.purpose} with process id ${holder.pid}` : "another process";
    throw new Unavailable("data folder", `${dataDir} is held by ${who}`);
  }
  stack.defer(() => lock.release());
}

export function readiness(policy: Policy, draining: boolean): Readiness {
  const reasons = draining ? ["the gateway is stopping"] : [];
  if (policy.lastError())
    reasons.push("the policy files on disk are invalid; the old policy is in force");
  return { ready: !draining, reasons };
}
