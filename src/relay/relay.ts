import { type Clock, pause } from "../base/clock.ts";
import type { TransactionId } from "../base/ids.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import { onceATurn } from "../base/once-a-turn.ts";
import type { Envelope } from "../mail/envelope.ts";
import type { FieldOrigin } from "../mail/field-origin.ts";
import type { MessageSource } from "../mail/message.ts";
import type { Resolver } from "../net/resolver.ts";
import type { FactBus } from "../pipeline/facts.ts";
import type { Limits } from "../policy/limits.ts";
import type { Routing } from "../policy/snapshot.ts";
import type { Quarantine } from "../quarantine/quarantine.ts";
import type { SendOutcome, SmtpConnector } from "../smtp/smtp-client.ts";
import type { BounceKind, SpoolLease } from "../spool/spool.ts";
import type { SpoolIntake, SpoolQueue } from "../spool/spool-intake.ts";
import type { RecipientProbe } from "../stages/domains/recipient-probe.ts";
import { createCallOut } from "./call-out/call-out.ts";
import { createDelivery } from "./delivery.ts";
import type { GateDestination } from "./destination-gate.ts";
import { CONNECTOR_TLS } from "./hubs/candidates.ts";
import { destinationOf, groupByRoute } from "./hubs/destination.ts";
import { type Hop, Hubs, type Unsent } from "./hubs/hubs.ts";
import type { Offer } from "./hubs/offer.ts";
import type { OurSelf } from "./hubs/own-names.ts";
import type { SignOwnMail } from "./mail-signer.ts";
import { createRetryLoop, NO_RETRIES, type RetryLoop } from "./retry-loop.ts";
import type { TlsPolicy } from "./tls/tls-policy.ts";

/** One message for recipients with the same destination. */
export interface Leg {
  readonly transactionId: TransactionId;
  readonly envelope: Envelope;
  /** What a hub must offer to take it as it is. */
  readonly needs: { readonly eightBitMime: boolean; readonly smtpUtf8: boolean };
  /** So that a bounce may be sent (threats.md P9). */
  readonly senderAuthenticated: boolean;
  /** It goes also where DANE or MTA-STS would not let it: a report about broken TLS (RFC 8460 3). */
  readonly ignoresTlsPolicies?: boolean;
  readonly receivedAt: number;
  /** It is a delivery status message of ours. */
  readonly bounce?: BounceKind;
  /** Of header fields that are not as they came: what goes back to the sender shows these. */
  readonly fieldOrigins?: readonly FieldOrigin[];
}

export type AttemptResult =
  /** In the order of the leg's recipients. */
  | (Extract<SendOutcome, { kind: "answered" }> & {
      /** Null: we refuse in the stead of servers that do not exist. */
      readonly hub: string | null;
      readonly hop?: Hop;
    })
  | Unsent
  /** The final dot is on its way, or the connection was cut after it. It is never abandoned. */
  | {
      readonly kind: "pending";
      readonly hub: string;
      readonly hop?: Hop;
      readonly settled: Promise<SendOutcome>;
    };

/**
 * From us to the hub. A spooled entry leaves the spool only when every recipient was accepted,
 * bounced or held. At worst a message arrives twice: when a connection or this process ends between
 * our final dot and the answer to it.
 *
 * Facts: `attempt` tells `delivered` and `refused`, also for a pending attempt when it is settled;
 * the retries tell `deferred` and `held` beside, and every bounce is told.
 */
export interface Relay extends RecipientProbe {
  /**
   * Tries the servers of the leg's destination in order. Never throws. When `waitMs` is over or
   * the signal aborts before the final dot, the connection is closed: unsent. After it: pending.
   */
  attempt(
    leg: Leg,
    source: MessageSource,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<AttemptResult>;
  /**
   * The pending attempt for this entry is its lease holder: what becomes of it ends the lease. The
   * entry's recipients are those of the attempt, in the same order.
   */
  adopt(lease: SpoolLease, settled: Promise<SendOutcome>, hub: string | null): void;
  /**
   * Of a message that is promised although some recipients are refused: bounces to the sender or
   * holds for those. Throws Unavailable when neither could be made durable for all of them. Tells a
   * sender who asked for it whom a hub without DSN took.
   */
  settleAnswered(
    leg: Leg,
    source: MessageSource,
    answer: AttemptResult & { readonly kind: "answered" },
  ): Promise<void>;
  /** What the hubs (of the domain) offered last; everything until they were asked. */
  offers(domain?: string): Offer;
  /**
   * Epoch milliseconds until which a destination (the `key` of destination.ts) is left alone because
   * it failed; null: it may be tried. Cheap, and changes nothing.
   */
  restsUntil(destination: string): number | null;
  /** A destination that had failed was reached, by another process: what waited for it is due. */
  reached(destination: string): void;
  /** An entry was added, or is due earlier. */
  wake(): void;
  /** Begins to deliver from the spool, which must be recovered. */
  start(): void;
  /**
   * Attempts before their dot end at once and stay spooled; those after it may take until the
   * deadline, then their connections are cut and their entries wait for the next start.
   */
  stop(deadlineMs: number): Promise<void>;
}

export interface RelayOptions {
  readonly routing: () => Routing;
  readonly spool: SpoolIntake;
  /** Null in a process that only hands over: another one retries. */
  readonly queue: SpoolQueue | null;
  /** Told of a destination that had failed and was reached here. */
  readonly onReached?: (destination: string) => void;
  readonly quarantine: Pick<Quarantine, "hold">;
  readonly connector: SmtpConnector;
  /** For the mail servers of domains. */
  readonly resolver: Pick<Resolver, "lookup">;
  readonly ourSelf: OurSelf;
  /** For MX hosts. Default: as their connector says. */
  readonly tlsPolicy?: TlsPolicy;
  readonly facts: FactBus;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly limits: () => Limits["delivery"];
  /** Ours, in bounces. */
  readonly hostname: string;
  /** Puts our signature under bounces. Default: none. */
  readonly signOwnMail?: SignOwnMail;
  /** How long undeliverable mail is held. */
  readonly keepDays?: () => number;
  /** 0 to 1, for the jitter of retries. */
  readonly random?: () => number;
  /** How many processes of ours share the connections to a hub. Default: this one. */
  readonly processes?: number;
}

const KEEP_DAYS = 30;
/** For what ended with the connections to be written down. */
const LAST_WORDS_MS = 2000;

export function createRelay(options: RelayOptions): Relay {
  const { clock, log, queue, routing } = options;
  const { keepDays = () => KEEP_DAYS, random = Math.random, tlsPolicy = CONNECTOR_TLS } = options;
  const gateDestinationOf = (domain: string) => toGateDestination(routing(), domain);
  const keyOf = (domain: string) => gateDestinationOf(domain).key;
  // Whoever reached it, the client's own attempt included: what waited for it is due now.
  const reached = (destination: string) => {
    queue?.hasten((domain) => keyOf(domain) === destination, clock.now());
    loop.wake();
  };
  const onRecovered = (destination: string) => {
    reached(destination);
    options.onReached?.(destination);
  };
  const hubs = new Hubs({ ...options, random, tlsPolicy, onRecovered });
  const group = (recipients: Envelope["recipients"]) => groupByRoute(recipients, routing());
  const wake = () => loop.wake();
  const delivery = createDelivery({ ...options, hubs, keepDays, random, group, wake });
  const loop: RetryLoop = queue
    ? createRetryLoop({
        spool: queue,
        clock,
        log,
        work: delivery.deliverEntry,
        destinationOf: gateDestinationOf,
        restsUntil: (destination) => hubs.restsUntil(destination),
      })
    : NO_RETRIES;
  const { probe } = createCallOut({ ...options, hubs });
  const { metrics } = options;
  measureHubs(metrics, hubs);
  if (queue) measure(metrics, queue);
  return {
    attempt: delivery.attempt,
    adopt: delivery.adopt,
    settleAnswered: delivery.settleAnswered,
    probe,
    offers: (domain) => hubs.offers(routing(), domain),
    restsUntil: (destination) => hubs.restsUntil(destination),
    reached,
    wake: loop.wake,
    start: loop.start,
    async stop(deadlineMs) {
      const ended = Promise.all([loop.stop(), delivery.stop()]);
      await within(clock, deadlineMs, ended);
      hubs.close();
      await within(clock, LAST_WORDS_MS, ended);
    },
  };
}

function toGateDestination(routing: Routing, domain: string): GateDestination {
  const destination = destinationOf(routing, domain);
  if (!destination) return { key: domain, isForeign: false };
  return { key: destination.key, isForeign: destination.connector.to.kind === "mx" };
}

function measureHubs(metrics: Metrics, hubs: Hubs): void {
  metrics.gauge("postern_hub_connections", "Open connections to hubs", () => hubs.connections());
  metrics.gauge(
    "postern_hubs_resting",
    "Servers and destinations that are left alone because they failed",
    () => hubs.resting(),
  );
}

function measure(metrics: Metrics, spool: SpoolQueue): void {
  const read = onceATurn(() => spool.stats());
  metrics.gauge("postern_spool_due", "Entries waiting for delivery", () => read().due);
  metrics.gauge("postern_spool_active", "Entries being delivered", () => read().active);
  metrics.gauge("postern_spool_bytes", "Octets of all entries", () => read().bytes);
  metrics.gauge("postern_spool_held", "Entries that wait for an operator", () => read().held ?? 0);
  metrics.gauge(
    "postern_spool_corrupt",
    "Entries set aside as damaged since the start",
    () => read().corrupt ?? 0,
  );
}

/** Waits for the work, but no longer. */
async function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  await Promise.race([work, pause(clock, ms, over.signal)]);
  over.abort();
}
