import { join } from "node:path";
import type { Log } from "./base/log.ts";
import { type Ground, layGround } from "./compose-ground.ts";
import { openPolicy } from "./compose-policy.ts";
import type { ControlCommand } from "./control/control.ts";
import type { PolicySnapshot } from "./policy/snapshot.ts";
import type { Settings } from "./settings.ts";
import type { DnsblProbe } from "./stages/dnsbl/check-client.ts";
import { type DnsblOptions, dnsblOptions } from "./stages/dnsbl/dnsbl-options.ts";
import { type FileZoneLedger, openFileZoneLedger } from "./stages/dnsbl/file-zone-ledger.ts";
import { createZoneHealth } from "./stages/dnsbl/zone-health.ts";

/** What all processes together know of DNS lists. */
export async function openZoneLedger(
  stack: AsyncDisposableStack,
  { settings, clock, log, metrics }: Ground,
): Promise<FileZoneLedger> {
  const path = join(settings.dataDir, "dnsbl-zones.json");
  const ledger = await openFileZoneLedger({ path, clock, log, metrics });
  stack.defer(() => ledger.close());
  return ledger;
}

/** For the control socket. */
export function zoneCommands(
  ledger: Pick<FileZoneLedger, "stats">,
): readonly (readonly [string, ControlCommand])[] {
  return [
    [
      "dnsbl-stats",
      async function* () {
        yield* ledger.stats();
      },
    ],
  ];
}

/** The lists of the policy, and DNS to ask them with. Throws PolicyError. */
export async function openDnsblProbe(
  settings: Settings,
  log: Log,
): Promise<DnsblProbe & { close(): Promise<void> }> {
  await using opening = new AsyncDisposableStack();
  const ground = layGround(settings, log);
  const { clock, resolver, metrics } = ground;
  opening.defer(() => resolver.close());
  const policy = await openPolicy(opening, ground);
  const health = createZoneHealth({ clock, resolver, metrics, log });
  opening.defer(() => health.close());
  const options = optionsOf(policy.current());
  const open = opening.move();
  return { options, resolver, health, clock, close: () => open.disposeAsync() };
}

/** With their defaults, whether or not the stage is in the pipeline. */
function optionsOf({ effective }: Pick<PolicySnapshot<unknown>, "effective">): DnsblOptions {
  const files = effective as { readonly dnsbl?: unknown };
  return dnsblOptions.parse(files.dnsbl ?? {});
}
