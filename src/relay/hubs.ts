import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { shareOf } from "../base/share.ts";
import type { Connector, Routing } from "../policy/snapshot.ts";
import type {
  RemoteCapabilities,
  RemoteReply,
  SmtpConnection,
  SmtpConnector,
  SmtpTarget,
} from "../smtp/smtp-client.ts";
import { createHubHealth, type HubHealth } from "./hub-health.ts";
import { HubPool } from "./hub-pool.ts";

/** Nothing was handed over. */
export interface Unsent {
  readonly kind: "unsent";
  /** host:port of the hub that was tried last; null when none could be. */
  readonly hub: string | null;
  readonly reason: string;
  readonly reply: RemoteReply | null;
}

/** A connection in somebody's hands. Exactly one `release`, when its last command is over. */
export interface Borrowed {
  readonly hub: string;
  readonly connection: SmtpConnection;
  release(): void;
}

/** What may be offered to clients. */
export interface Offer {
  /** Octets; null: no limit is known. */
  readonly maxBytes: number | null;
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
}

export interface HubsOptions {
  readonly connector: SmtpConnector;
  readonly clock: Clock;
  readonly log: Log;
  /** How many processes of ours share what a connector allows. Default: this one. */
  readonly processes?: number;
}

type Use<Result> = (borrowed: Borrowed) => Promise<Result | Unsent>;

const NOTHING_KNOWN: Offer = { maxBytes: null, eightBitMime: true, smtpUtf8: true };

/** Every hub of every connector: their connections, their health, and what they offered last. */
export class Hubs {
  readonly #options: HubsOptions;
  readonly #health: HubHealth;
  readonly #pools = new Map<string, HubPool>();
  readonly #offered = new Map<string, RemoteCapabilities>();

  constructor(options: HubsOptions) {
    this.#options = options;
    this.#health = createHubHealth(options.clock);
  }

  /**
   * Calls `use` with a connection to the connector's smarthosts, in order, until it resolves with
   * something else than `unsent`. Resolves `unsent` when all of them failed, now or a moment ago,
   * or the signal aborted.
   */
  async over<Result extends { readonly kind: string }>(
    connector: Connector,
    signal: AbortSignal,
    use: Use<Result>,
  ): Promise<Result | Unsent> {
    let last: Result | Unsent = toUnsent(null, "every hub failed a moment ago");
    for (const target of connector.smarthosts) {
      if (signal.aborted) break;
      const hub = toHubName(target);
      if (!this.#health.admit(hub)) continue;
      last = await this.#overOne(connector, target, signal, use);
      if (last.kind !== "unsent") {
        this.#health.worked(hub);
        return last;
      }
    }
    return last;
  }

  /** The least that the hubs for this domain offered last; that all hubs did, without a domain. */
  offers(routing: Routing, domain?: string): Offer {
    const connectors = domain === undefined ? routing.all : [routing.route(domain)];
    const hubs = connectors.flatMap((connector) => connector?.smarthosts ?? []).map(toHubName);
    const known = hubs.flatMap((hub) => this.#offered.get(hub) ?? []);
    return known.reduce<Offer>(toLesser, NOTHING_KNOWN);
  }

  connections(): number {
    return [...this.#pools.values()].reduce((sum, pool) => sum + pool.size, 0);
  }

  close(): void {
    for (const pool of this.#pools.values()) pool.close();
  }

  /** A pooled connection that turns out to be dead is replaced once, by a fresh one. */
  async #overOne<Result extends { readonly kind: string }>(
    connector: Connector,
    target: SmtpTarget,
    signal: AbortSignal,
    use: Use<Result>,
    isFresh = false,
  ): Promise<Result | Unsent> {
    const hub = toHubName(target);
    const pool = this.#poolFor(target, connector.tls);
    const most = shareOf(connector.maxConnections, this.#options.processes ?? 1);
    const got = await pool.acquire(most, isFresh, signal);
    if (got.kind === "busy") return toUnsent(hub, got.reason);
    if (got.kind === "failed") {
      this.#fail(hub, got.reason);
      return toUnsent(hub, got.reason, got.reply);
    }
    const { connection, isReused } = got;
    this.#offered.set(hub, connection.capabilities);
    const result = await use({ hub, connection, release: () => pool.release(connection) });
    if (result.kind !== "unsent" || signal.aborted) return result;
    if (isReused) return this.#overOne(connector, target, signal, use, true);
    this.#fail(hub, "reason" in result ? result.reason : "unsent");
    return result;
  }

  #poolFor(target: SmtpTarget, tls: Connector["tls"]): HubPool {
    const key = `${tls} ${toHubName(target)}`;
    const known = this.#pools.get(key);
    if (known) return known;
    const { clock, connector } = this.#options;
    const made = new HubPool({ clock, open: (signal) => connector.connect(target, tls, signal) });
    this.#pools.set(key, made);
    return made;
  }

  #fail(hub: string, reason: unknown): void {
    this.#options.log.warn("hub-failed", { hub, reason });
    this.#health.failed(hub);
  }
}

/** `host:port`, an IPv6 address in brackets. */
function toHubName({ host, port }: SmtpTarget): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export function toUnsent(
  hub: string | null,
  reason: string,
  reply: RemoteReply | null = null,
): Unsent {
  return { kind: "unsent", hub, reason, reply };
}

function toLesser(a: Offer, b: Offer): Offer {
  const limits = [a.maxBytes, b.maxBytes].filter((bytes) => bytes !== null);
  return {
    maxBytes: limits.length > 0 ? Math.min(...limits) : null,
    eightBitMime: a.eightBitMime && b.eightBitMime,
    smtpUtf8: a.smtpUtf8 && b.smtpUtf8,
  };
}
