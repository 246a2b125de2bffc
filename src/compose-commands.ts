import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "./base/log.ts";
import { type Ground, layGround, openServices, openStores, type Stores } from "./compose-ground.ts";
import { openCommandPort } from "./control/command-port.ts";
import type { CommandPort, ControlCommands } from "./control/control.ts";
import { createStoreCommands } from "./control/store-commands.ts";
import { parseMailbox } from "./mail/address.ts";
import { createMessageStore } from "./mail/message-store.ts";
import { loadPolicy } from "./policy/load-policy.ts";
import { type ReleaseDeps, type ReleaseRefusal, releaseHold } from "./relay/release.ts";
import type { Settings } from "./settings.ts";
import { createCatalog } from "./stages/catalog.ts";
import type { RecipientProbe } from "./stages/domains/recipient-probe.ts";

/** The command map over open stores. */
export function storeCommands(
  { facts, clock }: Ground,
  stores: Stores,
  relay: ReleaseDeps["relay"],
  about: () => Readonly<Record<string, unknown>>,
): ControlCommands {
  const deps = { ...stores, facts, clock, relay };
  return createStoreCommands({
    ...deps,
    about,
    async release(id, { to, by, force }) {
      const address = to === null ? null : parseMailbox(to);
      if (to !== null && !address) return { kind: "refused", reason: `${to} is no address` };
      const result = await releaseHold(deps, id, { by, force, ...(address && { to: address }) });
      if (result.kind === "released") return result;
      return { kind: "refused", reason: REFUSALS[result.reason] };
    },
  });
}

const REFUSALS: { readonly [R in ReleaseRefusal]: string } = {
  "not-found": "there is no such held message",
  "not-held": "it was released or deleted before",
  "bytes-gone": "its bytes are gone",
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
      await stores.spool.recover();
      const open = opening.move();
      const commands = storeCommands(ground, stores, NO_RELAY, () => ({ running: false }));
      return { commands, close: () => open.disposeAsync() };
    },
  });
}

/** What `judge` needs: the policy, DNS and the scanner, and no store. */
export async function openJudge(settings: Settings, log: Log) {
  await using opening = new AsyncDisposableStack();
  const ground = layGround(settings, log);
  opening.defer(() => ground.resolver.close());
  const catalog = createCatalog();
  const snapshot = await loadPolicy({ folder: settings.policies, catalog, clock: ground.clock });
  const tempDir = await mkdtemp(join(tmpdir(), "postern-judge-"));
  opening.defer(() => rm(tempDir, { recursive: true, force: true }));
  const services = openServices(opening, ground, UNASKED_HUB, { tempDir });
  const messages = createMessageStore({ tempDir });
  const open = opening.move();
  return { ...ground, snapshot, services, messages, close: () => open.disposeAsync() };
}

/** A judged file must not make a hub see a probe. */
const UNASKED_HUB: RecipientProbe = {
  probe: async () => ({ kind: "unknown", reply: "judge does not ask the hub", cached: false }),
};

/** Beside no gateway: the next one recovers the spool, and with it what was released. */
const NO_RELAY: ReleaseDeps["relay"] = { wake() {}, adopt() {} };
