import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PolicyError, Unavailable } from "./base/errors.ts";
import type { Log } from "./base/log.ts";
import { type Ground, layGround, openServices, openStores, type Stores } from "./compose-ground.ts";
import { learnFromFacts, reputationCommands } from "./compose-learning.ts";
import { ownMailSigner } from "./compose-policy.ts";
import { authservIdsOf } from "./compose-sessions.ts";
import { openCommandPort } from "./control/command-port.ts";
import type { CommandPort, ControlCommands } from "./control/control.ts";
import { createStoreCommands } from "./control/store-commands.ts";
import { parseMailbox } from "./mail/address.ts";
import { createMessageStore } from "./mail/message-store.ts";
import type { Fact, FactBus } from "./pipeline/facts.ts";
import { loadPolicy } from "./policy/load-policy.ts";
import { settleUndeliverable } from "./relay/bounces/undeliverable.ts";
import type { Relay } from "./relay/relay.ts";
import { type ReleaseDeps, type ReleaseRefusal, releaseHold } from "./relay/release.ts";
import { createMemoryRateCounters } from "./reputation/memory-rate-counters.ts";
import { createMemoryReputation } from "./reputation/memory-reputation.ts";
import type { Settings } from "./settings.ts";
import { localReply } from "./smtp/client-reply.ts";
import type { TakenEntry } from "./spool/spool-desk.ts";
import { createCatalog } from "./stages/catalog.ts";
import { createNoRateStore } from "./stages/dnsbl/rate-store.ts";
import { createZoneRates } from "./stages/dnsbl/zone-rates.ts";
import type { RecipientProbe } from "./stages/domains/recipient-probe.ts";

/** The command map over open stores. */
export function storeCommands(
  { facts, clock }: Ground,
  stores: Stores,
  relay: CommandRelay,
  about: () => Readonly<Record<string, unknown>>,
  hasRoute: ReleaseDeps["hasRoute"],
): ControlCommands {
  const deps = { ...stores, facts, clock, relay, hasRoute };
  return createStoreCommands({
    ...deps,
    about,
    wake: relay.wake,
    tellSender: (taken) => tellSender(facts, relay, taken),
    async release(id, { to, by, force }) {
      const address = to === null ? null : parseMailbox(to);
      if (to !== null && !address) return { kind: "refused", reason: `${to} is no address` };
      const result = await releaseHold(deps, id, { by, force, ...(address && { to: address }) });
      if (result.kind === "released") return result;
      const { reason, domain = "" } = result;
      return { kind: "refused", reason: REFUSALS[reason].replace("DOMAIN", domain) };
    },
  });
}

/** What commands need of the relay. */
export type CommandRelay = ReleaseDeps["relay"] & Pick<Relay, "settleAnswered">;

const DROPPED = localReply(550, "5.7.1", "Taken out of the queue by an administrator");

/** Whether a bounce may be sent is the relay's to know; the facts tell what it did. */
async function tellSender(
  facts: FactBus,
  relay: CommandRelay,
  { item, source }: TakenEntry,
): Promise<"bounced" | "quarantined" | "done"> {
  const kinds = new Set<Fact["kind"]>();
  const stop = facts.listen((fact) => {
    if ("id" in fact && fact.id === item.transactionId) kinds.add(fact.kind);
  });
  try {
    const fates = item.envelope.recipients.map(
      () => ({ kind: "refused", reply: DROPPED }) as const,
    );
    await relay.settleAnswered(item, source, { kind: "answered", hub: null, fates });
    if (kinds.has("held")) return "quarantined";
    // A notice of ours that is dropped is nobody's loss: then nobody is told.
    return kinds.has("bounced") ? "bounced" : "done";
  } finally {
    stop();
  }
}

const REFUSALS: { readonly [R in ReleaseRefusal]: string } = {
  "not-found": "there is no such held message",
  "not-held": "it was released or deleted before",
  "bytes-gone": "its bytes are gone",
  "no-route": "no connector in routing.yaml takes mail for DOMAIN; --to releases it to another",
  "malware-needs-force": "it was held as malware: --force releases it all the same",
};

/**
 * Where a command goes: the gateway that runs on this data folder, or its stores opened here under
 * the lock. Throws ControlError.
 */
export function openCommands(settings: Settings, log: Log): Promise<CommandPort> {
  const { dataDir } = settings;
  const ground = layGround(settings, log);
  return openCommandPort({
    dataDir,
    clock: ground.clock,
    async openAlone() {
      await using opening = new AsyncDisposableStack();
      const stores = openStores(opening, ground, true, () => 0);
      ground.facts.listen((fact) => void stores.tracking.record(fact));
      learnFromFacts(opening, ground, stores);
      await stores.spool.recover();
      const relay = { ...NO_RELAY, settleAnswered: settleAlone(ground, stores) };
      const open = opening.move();
      const about = () => ({ running: false });
      const hasRoute = (domain: string) => isRouted(ground, domain);
      const commands = new Map([
        ...storeCommands(ground, stores, relay, about, hasRoute),
        ...reputationCommands(ground, stores, () => policyOnDisk(ground)),
      ]);
      return { commands, close: () => open.disposeAsync() };
    },
  });
}

/** Where that is invalid the next gateway will know. */
async function isRouted(ground: Ground, domain: string): Promise<boolean> {
  const policy = await policyOnDisk(ground);
  return policy === null || policy.routing.route(domain) !== null;
}

/** Null: it cannot be used. */
async function policyOnDisk({ settings, clock }: Ground) {
  try {
    return await loadPolicy({ folder: settings.policies, catalog: createCatalog(), clock });
  } catch (error) {
    if (error instanceof PolicyError) return null;
    throw error;
  }
}

/** What `judge` needs: the policy, DNS, the scanner and the keys, and no store. */
export async function openJudge(settings: Settings, log: Log) {
  await using opening = new AsyncDisposableStack();
  const ground = layGround(settings, log);
  opening.defer(() => ground.resolver.close());
  const catalog = createCatalog();
  const snapshot = await loadPolicy({ folder: settings.policies, catalog, clock: ground.clock });
  const tempDir = await mkdtemp(join(tmpdir(), "postern-judge-"));
  opening.defer(() => rm(tempDir, { recursive: true, force: true }));
  // Its own, so that a judged file counts for nobody.
  const counters = createMemoryRateCounters(ground.clock);
  const zoneRates = createZoneRates({ ...ground, store: createNoRateStore() });
  opening.defer(() => zoneRates.close());
  const shared = { counters, reputation: createMemoryReputation(ground.clock), zoneRates };
  const services = openServices(opening, ground, UNASKED_HUB, shared, { tempDir });
  const messages = createMessageStore({ tempDir });
  const open = opening.move();
  const authservIds = authservIdsOf(ground);
  const close = () => open.disposeAsync();
  return { ...ground, snapshot, services, messages, authservIds, close };
}

/** A judged file must not make a hub see a probe. */
const UNASKED_HUB: RecipientProbe = {
  probe: async () => ({ kind: "unknown", reply: "judge does not ask the hub", cached: false }),
};

/** Bounces that a command makes wait in the spool for the next gateway, as what it released does. */
function settleAlone(ground: Ground, stores: Stores): Relay["settleAnswered"] {
  return async (leg, source, { fates }) => {
    const { settings, clock } = ground;
    const { routing, quarantine, limits, signing } = await loadPolicy({
      folder: settings.policies,
      catalog: createCatalog(),
      clock,
    });
    const failures = leg.envelope.recipients.flatMap((recipient, i) => {
      const fate = fates[i];
      return fate?.kind === "refused" ? [{ recipient, hub: null, reply: fate.reply }] : [];
    });
    const deps = {
      ...ground,
      ...stores,
      hostname: settings.hostname,
      routing: () => routing,
      limits: () => limits.delivery,
      keepDays: () => quarantine.keepDays,
      wake() {},
      signOwnMail: ownMailSigner(ground, () => signing),
    };
    const owed = await settleUndeliverable(deps, leg, source, failures);
    if (owed.length > 0) throw new Unavailable("quarantine", "the message could not be kept");
  };
}

/** Beside no gateway: the next one recovers the spool, and with it what was released. */
const NO_RELAY: ReleaseDeps["relay"] = { wake() {}, adopt() {} };
