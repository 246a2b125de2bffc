import type { Log } from "./base/log.ts";
import type { ProcessChannel } from "./base/process-channel.ts";
import { openCertificates } from "./compose-certificates.ts";
import { layGround } from "./compose-ground.ts";
import { openPolicy, readiness, takeLock } from "./compose-policy.ts";
import { openSharedPressure } from "./compose-pressure.ts";
import type { Order, Started, SupervisorOperations } from "./compose-roles.ts";
import { openService } from "./compose-service.ts";
import type { PressureLevels } from "./gateway/back-pressure.ts";
import type { Role } from "./workers/kept-self.ts";

/**
 * When a supervisor is killed its processes end what is under way, the service last (kept-self.ts): a
 * gateway that is started again at once waits for them.
 */
const LOCK_PATIENCE_MS = 15_000;

/** The process that has what a gateway has once. It begins before the others. */
export async function beginService(
  order: Order,
  log: Log,
  supervisor: ProcessChannel<SupervisorOperations>,
): Promise<{ readonly role: Role; readonly started: Started }> {
  await using starting = new AsyncDisposableStack();
  const { settings, gateways } = order;
  const ground = layGround(settings, log, gateways);
  starting.defer(() => ground.resolver.close());
  await takeLock(starting, ground, LOCK_PATIENCE_MS);
  const policy = await openPolicy(starting, ground);
  const { spoolOwner, relay, stores, zoneRates } = await openService(
    starting,
    ground,
    policy,
    order.isFirst,
  );
  const tell = (levels: PressureLevels) => supervisor.tell("pressure", levels);
  const pressure = await openSharedPressure(starting, ground, policy, stores, tell);
  // Made once, before several processes could each make their own.
  const certificates = await openCertificates(starting, ground);
  policy.onChange(({ limits }) => supervisor.tell("limits", limits));
  const open = starting.move();
  const current = policy.current();
  return {
    started: { policy: current.version, limits: current.limits },
    role: {
      operations: {
        ...spoolOwner.operations,
        gone: (from: string) => spoolOwner.gone(from),
        reached: relay.reached,
        noteZones: zoneRates.take,
        reload: async () => void (await policy.reload()),
        reloadCertificates: () => certificates.reload(),
        readiness: () => readiness(policy, false, pressure),
        metrics: () => ground.metrics.snapshot(),
      },
      async stop(deadlineMs) {
        await relay.stop(deadlineMs);
        await open.disposeAsync();
      },
    },
  };
}
