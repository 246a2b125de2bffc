import { storeCommands } from "./compose-commands.ts";
import {
  type Ground,
  openStores,
  openZoneRates,
  type Stores,
  spoolPlace,
} from "./compose-ground.ts";
import { learnFromFacts, reputationCommands } from "./compose-learning.ts";
import { openOutboundTls, startDailyRounds } from "./compose-outbound-tls.ts";
import type { Policy } from "./compose-policy.ts";
import { openRelay } from "./compose-relay.ts";
import { controlPath } from "./control/control.ts";
import { createControlServer } from "./control/control-server.ts";
import { startHousekeeping } from "./gateway/housekeeping.ts";
import { countFacts, logFacts } from "./gateway/tell-facts.ts";
import { watchRecipientLists } from "./policy/recipient-watch.ts";
import { toDmarcResult } from "./relay/dmarc/message-result.ts";
import type { Relay } from "./relay/relay.ts";
import { createSpoolOwner, type SpoolOwner } from "./spool/spool-owner.ts";
import type { ZoneRatesOwner } from "./stages/dnsbl/zone-rates.ts";

/** What a gateway has once, in how many processes it may run. */
export interface Service {
  readonly stores: Stores;
  readonly relay: Relay;
  /** For processes that only put into the spool. */
  readonly spoolOwner: SpoolOwner;
  readonly zoneRates: ZoneRatesOwner;
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
  tellFacts(stack, ground, policy, stores);
  await stores.spool.recover(!recovers);
  const outbound = await openOutboundTls(ground);
  const relay = openRelay(ground, policy, { ...stores, queue: stores.spool }, outbound);
  // Also when what comes next fails: without the lock nobody may deliver from this spool.
  stack.defer(() => relay.stop(0));
  relay.start();
  stack.defer(startHousekeeping({ ...ground, policy, ...stores }));
  stack.defer(watchRecipientLists({ ...ground, policy }));
  startDailyRounds(stack, ground, policy, outbound, { ...stores, relay });
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
  return { stores, relay, spoolOwner, zoneRates: openZoneRates(stack, ground) };
}

/** To log, metrics, tracking and reputation. */
export function tellFacts(
  stack: AsyncDisposableStack,
  ground: Ground,
  policy: Policy,
  stores: Pick<Stores, "tracking" | "reputation">,
): void {
  const { facts, log, metrics } = ground;
  const { tracking } = stores;
  logFacts(facts, log);
  countFacts(facts, metrics);
  facts.listen((fact) => void tracking.record(fact));
  facts.listen((fact) => {
    const { dmarcReports, tlsReports } = policy.current().routing;
    if (fact.kind !== "decided" || !dmarcReports?.enabled) return;
    const senders = [dmarcReports, ...(tlsReports ? [tlsReports] : [])];
    const result = toDmarcResult(
      fact.record,
      senders.map(({ from }) => from.spoken),
    );
    if (result) tracking.record(result);
  });
  learnFromFacts(stack, ground, stores);
}
