import { join } from "node:path";
import { type Clock, createSystemClock } from "./base/clock.ts";
import { errorText } from "./base/errors.ts";
import { createIds, type Ids } from "./base/ids.ts";
import { createKeyFile } from "./base/key-file.ts";
import type { Log } from "./base/log.ts";
import { createMetrics, type Metrics } from "./base/metrics.ts";
import { shareOf } from "./base/share.ts";
import { openReputation, type ReputationStores } from "./compose-reputation.ts";
import { createScratchSpace } from "./mail/scratch.ts";
import { createDnsResolver } from "./net/dns-resolver.ts";
import type { Resolver } from "./net/resolver.ts";
import { createFactBus, type FactBus } from "./pipeline/facts.ts";
import type { Quarantine } from "./quarantine/quarantine.ts";
import { createSqliteQuarantine } from "./quarantine/sqlite-quarantine.ts";
import { createMailSigner, type MailSigner } from "./relay/mail-signer.ts";
import { createSenderRates, createStrangerRates } from "./reputation/attempt-rates.ts";
import type { RateCounters } from "./reputation/rate-counters.ts";
import type { Reputation } from "./reputation/reputation.ts";
import type { Settings } from "./settings.ts";
import { createDiskSpace } from "./spool/disk-space.ts";
import { createDiskSpool } from "./spool/disk-spool.ts";
import type { Spool, SpoolItem } from "./spool/spool.ts";
import { createExceptionBook } from "./stages/access/exception-book.ts";
import { createScanner } from "./stages/antivirus/clamd-scanner.ts";
import { createPartReaders } from "./stages/attachments/part-readers.ts";
import type { StageServices } from "./stages/catalog.ts";
import { createFileRateStore } from "./stages/dnsbl/rate-store.ts";
import { createZoneHealth } from "./stages/dnsbl/zone-health.ts";
import { createZoneRates, type ZoneRates, type ZoneRatesOwner } from "./stages/dnsbl/zone-rates.ts";
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
  readonly signer: MailSigner;
  /** How many processes host sessions; what they share is divided by it. */
  readonly gateways: number;
}

export interface Stores extends ReputationStores {
  readonly spool: Spool;
  readonly quarantine: Quarantine;
  readonly tracking: Tracking;
}

export function layGround(settings: Settings, log: Log, gateways = 1): Ground {
  const clock = createSystemClock();
  const { servers, timeoutMs, validates } = settings.dns;
  const { hosts } = settings;
  const metrics = createMetrics({ process: true });
  return {
    settings,
    log,
    clock,
    ids: createIds(clock),
    metrics,
    signer: createMailSigner({ clock, log, metrics }),
    facts: createFactBus((error) => log.error("listener-failed", { error: errorText(error) })),
    gateways,
    resolver: createDnsResolver({
      clock,
      timeoutMs,
      hosts,
      validates,
      ...(servers && { servers }),
    }),
  };
}

export function openStores(
  stack: AsyncDisposableStack,
  ground: Ground,
  recovers: boolean,
  minFreePercent: () => number,
): Stores {
  const spool = createDiskSpool({
    ...spoolPlace(ground),
    hasSpace: spaceOf(ground, minFreePercent),
    onHeld: (item, { by, reason }) => tellHeld(ground, item, by, reason),
  });
  stack.defer(() => spool.close());
  return { ...openIndexes(stack, ground, { recovers }), spool };
}

function tellHeld({ facts, clock }: Ground, item: SpoolItem, by: string, reason: string): void {
  const { id: entry, transactionId: id, envelope } = item;
  const recipients = envelope.recipients.map(({ address }) => address.spoken);
  facts.emit({ kind: "queue-held", at: clock.now(), id, entry, by, reason, recipients });
}

/** The stores that several processes may have open at once. */
export function openIndexes(
  stack: AsyncDisposableStack,
  ground: Ground,
  { recovers }: { readonly recovers: boolean },
): Omit<Stores, "spool"> {
  const { settings, clock, log, metrics } = ground;
  const place = (name: string) => ({ folder: join(settings.dataDir, name), clock, log });
  const tracking = createSqliteTracking({ ...place("tracking"), metrics });
  stack.defer(() => tracking.close());
  const quarantine = createSqliteQuarantine({ ...place("quarantine"), recovers });
  stack.defer(() => quarantine.close());
  return { tracking, quarantine, ...openReputation(stack, ground) };
}

export function spoolPlace({ settings, clock, log }: Ground) {
  return { folder: join(settings.dataDir, "spool"), clock, log };
}

export function spaceOf({ settings, clock }: Ground, minFreePercent: () => number) {
  return createDiskSpace({ folder: settings.dataDir, minFreePercent, clock });
}

/** Archives wait for their end; beyond this in temporary files. Most attachments are smaller. */
const ARCHIVE_ITEM_BYTES = 256 * 1024;
const ARCHIVE_TOTAL_BYTES = 32 * 1024 * 1024;

/** What all processes and nodes know together of those who send. */
export interface SharedKnowledge {
  readonly counters: RateCounters;
  readonly reputation: Reputation;
  readonly zoneRates: ZoneRates;
}

/** Of the process that keeps what DNS lists say by habit. */
export function openZoneRates(
  stack: AsyncDisposableStack,
  { settings, clock, log, metrics }: Ground,
): ZoneRatesOwner {
  const store = createFileRateStore(join(settings.dataDir, "dnsbl-rates.json"));
  const zoneRates = createZoneRates({ clock, log, metrics, store });
  stack.defer(() => zoneRates.close());
  return zoneRates;
}

export function openServices(
  stack: AsyncDisposableStack,
  ground: Ground,
  recipientProbe: RecipientProbe,
  { counters, reputation, zoneRates }: SharedKnowledge,
  /** `tempDir`: an existing folder, once mail comes. Given by who must change nothing. */
  aside?: { readonly tempDir: string },
): StageServices {
  const { dataDir } = ground.settings;
  const { clock, log, metrics, resolver, gateways: processes } = ground;
  const zoneHealth = createZoneHealth({ clock, log, metrics, resolver });
  stack.defer(() => zoneHealth.close());
  const addresses = ground.settings.clamd;
  const scanner = addresses && createScanner({ ...ground, addresses, processes });
  stack.defer(() => scanner?.close());
  if (!scanner) log.warn("antivirus-off", { reason: "settings say clamd: none" });
  const totalBytes = shareOf(ARCHIVE_TOTAL_BYTES, processes);
  const tempDir = aside?.tempDir ?? join(dataDir, "tmp");
  const scratch = createScratchSpace({ tempDir, perItemBytes: ARCHIVE_ITEM_BYTES, totalBytes });
  const partReaders = createPartReaders({ scratch, clock });
  const path = join(dataDir, "address-keys");
  const addressKeys = createKeyFile({ path, clock, log, makes: aside === undefined });
  const own = {
    zoneHealth,
    zoneRates,
    scanner,
    recipientProbe,
    partReaders,
    senderRates: createSenderRates({ counters, log, metrics }),
    strangerRates: createStrangerRates({ counters, log, metrics }),
    addressKeys,
    reputation,
    exceptions: createExceptionBook(reputation.exceptions, clock),
  };
  return { clock, resolver, ...own };
}
