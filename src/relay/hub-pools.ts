import type { Clock } from "../base/clock.ts";
import type { Connector } from "../policy/snapshot.ts";
import type { SmtpConnector } from "../smtp/smtp-client.ts";
import type { Candidate } from "./candidates.ts";
import { HubPool, type Opened } from "./hub-pool.ts";

/**
 * The pools of all servers, by what their connections have in common. One without a connection is
 * forgotten: the internet has more servers than we have memory.
 */
export class HubPools {
  readonly #options: { readonly clock: Clock; readonly connector: SmtpConnector };
  readonly #pools = new Map<string, HubPool>();
  #isClosed = false;

  constructor(options: { readonly clock: Clock; readonly connector: SmtpConnector }) {
    this.#options = options;
  }

  for(candidate: Candidate, { messagesPerConnection }: Connector): HubPool {
    const { poolKey } = candidate;
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
    if (result.kind === "failed") {
      // What we broke off ourselves says nothing about the server.
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
