import type { Clock } from "../../base/clock.ts";
import type { CounterMetric, Metrics } from "../../base/metrics.ts";
import type { ConnectResult, SmtpConnector } from "../../smtp/smtp-client.ts";
import type { Candidate } from "./candidates.ts";
import { HubPool, type Opened } from "./hub-pool.ts";

export interface HubPoolsOptions {
  readonly clock: Clock;
  readonly connector: SmtpConnector;
  readonly metrics: Metrics;
}

/**
 * The pools of all servers, by what their connections have in common. One without a connection is
 * forgotten: the internet has more servers than we have memory.
 */
export class HubPools {
  readonly #options: HubPoolsOptions;
  readonly #sessions: CounterMetric;
  readonly #pools = new Map<string, HubPool>();
  #isClosed = false;

  constructor(options: HubPoolsOptions) {
    this.#options = options;
    this.#sessions = options.metrics.counter(
      "postern_hub_sessions_total",
      "New sessions with hubs and mail servers, by what came of them",
      ["outcome"],
    );
  }

  for(candidate: Candidate): HubPool {
    const { poolKey } = candidate;
    const { messagesPerConnection } = candidate.connector;
    const known = this.#pools.get(poolKey);
    if (known) return known;
    const pool: HubPool = new HubPool({
      clock: this.#options.clock,
      messagesPerConnection,
      open: (signal) => this.#open(candidate, signal),
      onEmpty: () => {
        if (this.#pools.get(poolKey) === pool) this.#pools.delete(poolKey);
      },
    });
    if (this.#isClosed) pool.close();
    else this.#pools.set(poolKey, pool);
    return pool;
  }

  connections(): number {
    return [...this.#pools.values()].reduce((sum, pool) => sum + pool.size, 0);
  }

  close(): void {
    this.#isClosed = true;
    for (const pool of [...this.#pools.values()]) pool.close();
  }

  async #open({ target, how, onSession }: Candidate, signal: AbortSignal): Promise<Opened> {
    const result = await this.#options.connector.connect(target, how, signal);
    // What we broke off ourselves says nothing about the server.
    if (!signal.aborted || result.kind === "connected")
      this.#sessions.add({ outcome: outcomeOf(result) });
    if (result.kind === "failed") {
      if (!signal.aborted) onSession?.(result);
      return result;
    }
    const { connection, brokenTls } = result;
    const { tls, address, ownAddress } = connection;
    onSession?.({
      kind: "connected",
      tls,
      address,
      ...(ownAddress !== undefined && { ownAddress }),
      ...(brokenTls !== undefined && { brokenTls }),
    });
    return result;
  }
}

/** `clear`, `tls-no`, `tls-ca`, `tls-pin`, `tls-dane`: how the server proved who it is; or why not. */
function outcomeOf(result: ConnectResult): string {
  if (result.kind === "failed") {
    if (result.tlsFault !== undefined) return `failed-${result.tlsFault}`;
    return result.isOurAuth === true ? "failed-auth" : "failed";
  }
  const { tls } = result.connection;
  return tls ? `tls-${tls.verified}` : "clear";
}
