import { storeCommands } from "./compose-commands.ts";
import { type Ground, openStores, type Stores, spoolPlace } from "./compose-ground.ts";
import { learnFromFacts, reputationCommands } from "./compose-learning.ts";
import { openOutboundTls, startTlsRounds } from "./compose-outbound-tls.ts";
import type { Policy } from "./compose-policy.ts";
import { openRelay } from "./compose-relay.ts";
import { controlPath } from "./control/control.ts";
import { createControlServer } from "./control/control-server.ts";
import { startHousekeeping } from "./gateway/housekeeping.ts";
import { countFacts, logFacts } from "./gateway/tell-facts.ts";
import { watchRecipientLists } from "./policy/recipient-watch.ts";
import type { Relay } from "./relay/relay.ts";
import { createSpoolOwner, type SpoolOwner } from "./spool/spool-owner.ts";

/** What a gateway has once, in how many processes it may run. */
export interface Service {
  readonly stores: Stores;
  readonly relay: Relay;
  /** For processes that only put into the spool. */
  readonly spoolOwner: SpoolOwner;
}

/**
 * Stores, the recovery of the spool, its retries, and the control socket, under the lock of the data
 * folder, which the caller holds. Closing the stack stops the relay at once.
 */
export async function openService(
  stack: AsyncDisposableStack,
  ground: Ground,
  policy: Policy,
  /** False while other processes of this gateway may be at work on the stores. */
  recovers = true,
): Promise<Service> {
  const stores = openStores(
    stack,
    ground,
    recovers,
    () => policy.current().limits.disk.minFreePercent,
  );
  // Before the recovery, which may have to tell of what it holds.
  tellFacts(stack, ground, stores);
  await stores.spool.recover(!recovers);
  const outbound = await openOutboundTls(ground);
  const relay = openRelay(ground, policy, { ...stores, queue: stores.spool }, outbound);
  // Also when what comes next fails: without the lock nobody may deliver from this spool.
  stack.defer(() => relay.stop(0));
  relay.start();
  stack.defer(startHousekeeping({ ...ground, policy, ...stores }));
  stack.defer(watchRecipientLists({ ...ground, policy }));
  startTlsRounds(stack, ground, policy, outbound, { ...stores, relay });
  const about = () => ({
    running: true,
    policy: policy.current().version,
    workers: ground.gateways,
  });
  const hasRoute = async (domain: string) => policy.current().routing.route(domain) !== null;
  const commands = new Map([
    ...storeCommands(ground, stores, relay, about, hasRoute),
    ...reputationCommands(ground, stores, async () => policy.current()),
  ]);
  const path = controlPath(ground.settings.dataDir);
  const control = await createControlServer({ path, commands, ...ground });
  stack.defer(() => control.close());
  const spoolOwner = createSpoolOwner({ ...spoolPlace(ground), ...stores, wake: relay.wake });
  return { stores, relay, spoolOwner };
}

/** To log, metrics, tracking and reputation. */
export function tellFacts(
  stack: AsyncDisposableStack,
  ground: Ground,
  stores: Pick<Stores, "tracking" | "reputation">,
): void {
  const { facts, log, metrics } = ground;
  logFacts(facts, log);
  countFacts(facts, metrics);
  facts.listen((fact) => void stores.tracking.record(fact));
  learnFromFacts(stack, ground, stores);
}
