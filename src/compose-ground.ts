import { join } from "node:path";
import { type Clock, createSystemClock } from "./base/clock.ts";
import { errorText } from "./base/errors.ts";
import { createIds, type Ids } from "./base/ids.ts";
import type { Log } from "./base/log.ts";
import { createMetrics, type Metrics } from "./base/metrics.ts";
import { createScratchSpace } from "./mail/scratch.ts";
import { createDnsResolver } from "./net/dns-resolver.ts";
import type { Resolver } from "./net/resolver.ts";
import { createFactBus, type FactBus } from "./pipeline/facts.ts";
import type { Quarantine } from "./quarantine/quarantine.ts";
import { createSqliteQuarantine } from "./quarantine/sqlite-quarantine.ts";
import type { Settings } from "./settings.ts";
import { createDiskSpace } from "./spool/disk-space.ts";
import { createDiskSpool } from "./spool/disk-spool.ts";
import type { Spool } from "./spool/spool.ts";
import { createScanner } from "./stages/antivirus/clamd-scanner.ts";
import { createPartReaders } from "./stages/attachments/part-readers.ts";
import type { StageServices } from "./stages/catalog.ts";
import { createZoneHealth } from "./stages/dnsbl/zone-health.ts";
import type { RecipientProbe } from "./stages/domains/recipient-probe.ts";
import { createSqliteTracking } from "./tracking/sqlite-tracking.ts";
import type { Tracking } from "./tracking/tracking.ts";

/** What the gateway, a command and a judged file all stand on. */
export interface Ground {
  readonly settings: Settings;
  readonly log: Log;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly metrics: Metrics;
  readonly facts: FactBus;
  readonly resolver: Resolver;
}

export interface Stores {
  readonly spool: Spool;
  readonly quarantine: Quarantine;
  readonly tracking: Tracking;
}

export function layGround(settings: Settings, log: Log): Ground {
  const clock = createSystemClock();
  const { servers, timeoutMs } = settings.dns;
  const { hosts } = settings;
  return {
    settings,
    log,
    clock,
    ids: createIds(clock),
    metrics: createMetrics({ process: true }),
    facts: createFactBus((error) => log.error("listener-failed", { error: errorText(error) })),
    resolver: createDnsResolver({ clock, timeoutMs, hosts, ...(servers && { servers }) }),
  };
}

export function openStores(
  stack: AsyncDisposableStack,
  { settings, clock, log, metrics }: Ground,
  minFreePercent: () => number,
): Stores {
  const place = (name: string) => ({ folder: join(settings.dataDir, name), clock, log });
  const tracking = createSqliteTracking({ ...place("tracking"), metrics });
  stack.defer(() => tracking.close());
  const quarantine = createSqliteQuarantine(place("quarantine"));
  stack.defer(() => quarantine.close());
  const hasSpace = createDiskSpace({ folder: settings.dataDir, minFreePercent });
  return { tracking, quarantine, spool: createDiskSpool({ ...place("spool"), hasSpace }) };
}

/** Archives wait for their end; beyond this in temporary files. Most attachments are smaller. */
const ARCHIVE_MEMORY = { perItemBytes: 256 * 1024, totalBytes: 32 * 1024 * 1024 } as const;

export function openServices(
  stack: AsyncDisposableStack,
  ground: Ground,
  recipientProbe: RecipientProbe,
  /** An existing folder, once mail comes. */
  tempDir: string = join(ground.settings.dataDir, "tmp"),
): StageServices {
  const { clock, log, metrics, resolver } = ground;
  const zoneHealth = createZoneHealth({ clock, log, metrics, resolver });
  stack.defer(() => zoneHealth.close());
  const addresses = ground.settings.clamd;
  const scanner = addresses && createScanner({ addresses, clock, log, metrics, resolver });
  stack.defer(() => scanner?.close());
  if (!scanner) log.warn("antivirus-off", { reason: "settings say clamd: none" });
  const scratch = createScratchSpace({ tempDir, ...ARCHIVE_MEMORY });
  const partReaders = createPartReaders({ scratch, clock });
  return { clock, resolver, zoneHealth, scanner, recipientProbe, partReaders };
}
