import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Metrics } from "../../base/metrics.ts";
import { shareOf } from "../../base/share.ts";
import type { PassedOver } from "../../pipeline/facts.ts";
import type { Routing } from "../../policy/snapshot.ts";
import type { RemoteTls } from "../../smtp/remote-tls.ts";
import type {
  RemoteCapabilities,
  RemoteReply,
  SmtpConnection,
  SmtpConnector,
} from "../../smtp/smtp-client.ts";
import type { TlsPolicy } from "../tls/tls-policy.ts";
import { type Candidate, createCandidates, hubNamesOf, toFailureReason } from "./candidates.ts";
import type { Destination } from "./destination.ts";
import {
  admitBoth,
  createHubHealth,
  type HubHealth,
  LONGEST_PAUSE_MS,
  type Rest,
  type Trials,
} from "./hub-health.ts";
import { HubPools } from "./hub-pools.ts";
import type { MxOptions } from "./mx-hosts.ts";
import { type Offer, toLeast } from "./offer.ts";
import { createPassedOverNotes } from "./passed-over.ts";

/** Nothing was handed over. */
export interface Unsent {
  readonly kind: "unsent";
  /** host:port of the hub that was tried last; null when none could be. */
  readonly hub: string | null;
  readonly reason: string;
  readonly reply: RemoteReply | null;
  readonly hop?: Hop;
}

/** Nothing can ever be handed over: our own reply in the stead of the server that there is not. */
export interface Unroutable {
  readonly kind: "unroutable";
  readonly reply: RemoteReply;
}

/** How a hub was reached, for facts. Plain JSON. */
export interface Hop {
  /** Absent: no session stood. */
  readonly address?: string;
  /** Null: in the clear. */
  readonly tls?: RemoteTls | null;
  /** The policy of the domain that demanded it, when one did. */
  readonly tlsPolicy?: string;
  /** Those before it that could not be had. */
  readonly passedOver?: readonly PassedOver[];
}

/** A connection in somebody's hands. Exactly one `release`, when its last command is over. */
export interface Borrowed {
  readonly hub: string;
  readonly hop: Hop;
  readonly connection: SmtpConnection;
  release(): void;
}

export interface HubsOptions extends MxOptions {
  readonly connector: SmtpConnector;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly tlsPolicy: TlsPolicy;
  /** How many processes of ours share what a connector allows. Default: this one. */
  readonly processes?: number;
  /** A destination that had failed works again. */
  readonly onRecovered?: (destination: string) => void;
}

type Use<Result> = (borrowed: Borrowed) => Promise<Result | Unsent>;
type WithKind = { readonly kind: string };

/** An internet domain that is away for hours shall not be asked twice a minute for all of them. */
const LONGEST_MX_PAUSE_MS = 5 * 60_000;
/** Whoever waits may wait shorter than a connection may take; by then it is slow all the same. */
const SLOW_MS = 10_000;

/** With the reason of the last one. */
const RESTS = "every hub failed a moment ago: ";

/** Every hub of every connector: their connections, their health, and what they offered last. */
export class Hubs {
  readonly #options: HubsOptions;
  readonly #health: HubHealth;
  readonly #pools: HubPools;
  readonly #stepsFor: ReturnType<typeof createCandidates>;
  readonly #offered = new Map<string, RemoteCapabilities>();

  constructor(options: HubsOptions) {
    this.#options = options;
    this.#health = createHubHealth(options.clock);
    this.#pools = new HubPools(options);
    this.#stepsFor = createCandidates(options);
  }

  /**
   * Calls `use` with a connection to a server of the destination, in order, until it resolves with
   * something else than `unsent`. Resolves `unsent` when all of them failed, now or a moment ago,
   * or the signal aborted; `unroutable` when DNS says that there can be none.
   */
  async over<Result extends WithKind>(
    destination: Destination,
    signal: AbortSignal,
    use: Use<Result>,
  ): Promise<Result | Unsent | Unroutable> {
    const { key, connector } = destination;
    const longestMs = connector.to.kind === "mx" ? LONGEST_MX_PAUSE_MS : LONGEST_PAUSE_MS;
    const trial = this.#health.admit(healthKey(key), longestMs);
    if ("until" in trial) return toUnsent(null, RESTS + trial.reason);
    const tried = await this.#overAll(destination, signal, use);
    if (tried.end === "worked" && trial.worked()) {
      this.#options.log.info("destination-recovered", { destination: key });
      this.#options.onRecovered?.(key);
    }
    if (tried.end === "failed") trial.failed(toWords(tried.result));
    if (tried.end === "undecided") trial.undecided();
    if (tried.end === "resting") trial.resting(tried.rest);
    return tried.result;
  }

  /**
   * Epoch milliseconds until which a destination is left alone, or somebody tries it; null: it may
   * be tried. Looks only: whoever tries it then is told by `over`.
   */
  restsUntil(destination: string): number | null {
    const { clock } = this.#options;
    const rest = this.#health.restOf(healthKey(destination));
    return rest && clock.now() + (rest.until - clock.monotonic());
  }

  /** Servers and destinations that are left alone. */
  resting(): number {
    return this.#health.resting();
  }

  /** The least that the hubs for this domain offered last; that all hubs did, without a domain. */
  offers(routing: Routing, domain?: string): Offer {
    const connectors = domain === undefined ? routing.all : routing.ways(domain);
    const hubs = connectors.flatMap(hubNamesOf);
    return toLeast(hubs.map((hub) => (hub === null ? undefined : this.#offered.get(hub))));
  }

  connections(): number {
    return this.#pools.connections();
  }

  close(): void {
    this.#pools.close();
  }

  async #overAll<Result extends WithKind>(
    destination: Destination,
    signal: AbortSignal,
    use: Use<Result>,
  ): Promise<Tried<Result>> {
    let last: Tried<Result> | null = null;
    let rest: Rest | null = null;
    const passed = createPassedOverNotes();
    const telling: Use<Result> = (borrowed) => use(passed.toldIn(borrowed));
    for await (const step of this.#stepsFor(destination, signal)) {
      if (signal.aborted) break;
      if (step.kind === "refused")
        return { end: "worked", result: { kind: "unroutable", reply: step.reply } };
      if (step.kind !== "candidate") {
        const hub = step.kind === "skipped" ? step.hub : null;
        this.#warn(destination, hub, step.reason);
        last = { end: "failed", result: toUnsent(hub, step.reason) };
        passed.note(hub, step.reason);
        continue;
      }
      const trials = admitBoth(this.#health, step.serverKey, step.poolKey);
      if ("until" in trials) {
        passed.note(step.hub, `it failed a moment ago: ${trials.reason}`);
        if (!rest || trials.until < rest.until)
          rest = { until: trials.until, reason: `${step.hub}: ${trials.reason}` };
        continue;
      }
      const tried = await this.#overServer(destination, step, trials, signal, telling);
      if (tried.end === "worked") return tried;
      passed.note(step.hub, tried.result.reason);
      last = tried;
    }
    if (last) return { ...last, result: passed.toldIn(last.result) };
    return rest
      ? { end: "resting", rest, result: toUnsent(null, RESTS + rest.reason) }
      : { end: "undecided", result: toUnsent(null, abortReason(signal)) };
  }

  /** A pooled connection that turns out to be dead is replaced once, by a fresh one. */
  async #overServer<Result extends WithKind>(
    destination: Destination,
    candidate: Candidate,
    trials: Trials,
    signal: AbortSignal,
    use: Use<Result>,
    isFresh = false,
  ): Promise<Tried<Result>> {
    const { hub, connector } = candidate;
    const { clock, processes = 1 } = this.#options;
    const begunAt = clock.monotonic();
    const most = shareOf(connector.maxConnections, processes);
    const pool = this.#pools.for(candidate);
    const got = await pool.acquire(most, isFresh, signal);
    if (got.kind === "busy") return undecided(trials, toUnsent(hub, got.reason));
    if (got.kind === "failed") {
      const isSlow = clock.monotonic() - begunAt >= SLOW_MS;
      const reason = toFailureReason(candidate, got);
      const result = toUnsent(hub, reason, got.reply);
      if (signal.aborted && !isSlow) return undecided(trials, result);
      this.#warn(destination, hub, reason, candidate.target.address);
      return failed(trials, result, got.tlsFault !== undefined || got.isOurAuth === true);
    }
    const { connection, isReused } = got;
    if (candidate.isSmarthost) this.#offered.set(hub, connection.capabilities);
    const hop = toHop(candidate, connection);
    const result = await use({ hub, hop, connection, release: () => pool.release(connection) });
    if (!isUnsent(result)) {
      trials.server.worked();
      trials.manner.worked();
      return { end: "worked", result };
    }
    if (signal.aborted) return undecided(trials, result);
    if (isReused) return this.#overServer(destination, candidate, trials, signal, use, true);
    this.#warn(destination, hub, result.reason, candidate.target.address);
    return failed(trials, result, false);
  }

  #warn(destination: Destination, hub: string | null, reason: string, address?: string): void {
    this.#options.log.warn("hub-failed", { destination: destination.key, hub, address, reason });
  }
}

/** A connector may be named like a server. */
function healthKey(destination: string): string {
  return `to ${destination}`;
}

/** What an attempt came to, and what it says about the destination. */
type Tried<Result> =
  | { readonly end: "worked"; readonly result: Result | Unroutable }
  | { readonly end: "failed" | "undecided"; readonly result: Unsent }
  | { readonly end: "resting"; readonly rest: Rest; readonly result: Unsent };

/** A server whose certificate or answer to AUTH does not do is well for others. */
function failed(trials: Trials, result: Unsent, isManner: boolean): Tried<never> {
  if (isManner) {
    trials.server.worked();
    trials.manner.failed(result.reason);
  } else {
    trials.server.failed(result.reason);
    trials.manner.undecided();
  }
  return { end: "failed", result };
}

function undecided(trials: Trials, result: Unsent): Tried<never> {
  trials.server.undecided();
  trials.manner.undecided();
  return { end: "undecided", result };
}

function toWords({ hub, reason }: Unsent): string {
  return hub === null ? reason : `${hub}: ${reason}`;
}

function isUnsent<Result extends WithKind>(result: Result | Unsent): result is Unsent {
  return result.kind === "unsent";
}

function toHop({ tlsPolicy }: Candidate, { address, tls }: SmtpConnection): Hop {
  return { address, tls, ...(tlsPolicy !== undefined && { tlsPolicy }) };
}

function abortReason({ aborted, reason }: AbortSignal): string {
  return aborted && reason instanceof Error ? reason.message : "no hub could be tried";
}

export function toUnsent(
  hub: string | null,
  reason: string,
  reply: RemoteReply | null = null,
): Unsent {
  return { kind: "unsent", hub, reason, reply };
}
