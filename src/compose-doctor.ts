import { Unavailable } from "./base/errors.ts";
import type { Log } from "./base/log.ts";
import { layGround } from "./compose-ground.ts";
import { openOutboundTls } from "./compose-outbound-tls.ts";
import { openPolicy } from "./compose-policy.ts";
import { openRelay } from "./compose-relay.ts";
import type { SpfCheckInput } from "./doctor/spf-check.ts";
import { machineAddresses } from "./net/machine-addresses.ts";
import { loadPolicy } from "./policy/load-policy.ts";
import type { AcceptedDomain } from "./policy/snapshot.ts";
import type { Settings } from "./settings.ts";
import { createCatalog } from "./stages/catalog.ts";
import type { RecipientProbe } from "./stages/domains/recipient-probe.ts";

/** What `doctor` asks hubs with. */
export interface HubProbe {
  readonly domains: readonly AcceptedDomain[];
  readonly recipientProbe: RecipientProbe;
  close(): Promise<void>;
}

/** The policy and connections to its hubs, with no store: nothing is sent. Throws PolicyError. */
export async function openHubProbe(settings: Settings, log: Log): Promise<HubProbe> {
  await using opening = new AsyncDisposableStack();
  const ground = layGround(settings, log);
  opening.defer(() => ground.resolver.close());
  const policy = await openPolicy(opening, ground);
  const relay = openRelay(ground, policy, NO_STORES, await openOutboundTls(ground));
  opening.defer(() => relay.stop(0));
  const open = opening.move();
  const { domains } = policy.current();
  return { domains: domains.all, recipientProbe: relay, close: () => open.disposeAsync() };
}

/** The policy and DNS. Throws PolicyError. */
export async function openSpfProbe(
  settings: Settings,
  log: Log,
): Promise<Omit<SpfCheckInput, "given"> & { close(): Promise<void> }> {
  await using opening = new AsyncDisposableStack();
  const ground = layGround(settings, log);
  opening.defer(() => ground.resolver.close());
  const { domains, routing } = (await openPolicy(opening, ground)).current();
  const open = opening.move();
  const { hostname } = settings;
  const { resolver, clock } = ground;
  const own = { hostname, machine: machineAddresses(), close: () => open.disposeAsync() };
  return { domains, routing, resolver, clock, ...own };
}

/** The keys of the policy, and DNS to look for their other halves. Throws PolicyError. */
export async function openSigningProbe(settings: Settings, log: Log) {
  const ground = layGround(settings, log);
  const { resolver, clock } = ground;
  try {
    const input = { folder: settings.policies, catalog: createCatalog(), clock };
    const { signing } = await loadPolicy(input);
    return { signing, resolver, close: () => resolver.close() };
  } catch (error) {
    resolver.close();
    throw error;
  }
}

async function refuse(): Promise<never> {
  throw new Unavailable("doctor", "it keeps no mail");
}

const NO_STORES: Parameters<typeof openRelay>[2] = {
  quarantine: { hold: refuse },
  spool: { add: refuse, addLeased: refuse },
  queue: null,
};
