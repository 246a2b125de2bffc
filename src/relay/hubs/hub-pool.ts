import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import { createMovingLimit, type MovingLimit } from "../../base/moving-limit.ts";
import type { ConnectFailure, ConnectResult, SmtpConnection } from "../../smtp/smtp-client.ts";

export interface HubPoolOptions {
  readonly clock: Clock;
  /** Opens a new connection. Never throws. */
  readonly open: (signal: AbortSignal) => Promise<Opened>;
  readonly idleMs?: number;
  readonly messagesPerConnection?: number;
  /** It has no connection and nobody who waits for one. */
  readonly onEmpty?: () => void;
}

export type Opened = ConnectResult;

export type Acquired =
  | { readonly kind: "ready"; readonly connection: SmtpConnection; readonly isReused: boolean }
  | ConnectFailure
  /** None came free before the signal aborted. Says nothing about the hub. */
  | { readonly kind: "busy"; readonly reason: string };

/** Shorter than any server's patience (RFC 5321 4.5.3.2.7 asks it for five minutes). */
const IDLE_MS = 15_000;
/** Servers count messages a session too; Exchange ends one at 500. */
const MESSAGES_PER_CONNECTION = 100;

interface Use {
  /** Messages that it has carried. */
  count: number;
  /** Until when it may be idle. */
  readonly idle: MovingLimit;
}

/** The connections to one hub. Whoever acquires one releases it, once, whatever happened. */
export class HubPool {
  readonly #options: HubPoolOptions;
  /** Every open connection. */
  readonly #uses = new Map<SmtpConnection, Use>();
  readonly #idle: SmtpConnection[] = [];
  readonly #waiters = new Set<() => void>();
  #opening = 0;
  /** Those who are in `acquire`. */
  #acquiring = 0;
  #isClosed = false;

  constructor(options: HubPoolOptions) {
    this.#options = options;
  }

  /** Open ones, idle or not, and those being opened. */
  get size(): number {
    return this.#uses.size + this.#opening;
  }

  /**
   * Never throws. At most `most` are open at once. `isFresh`: not one that was idle, because the
   * hub may have closed it meanwhile.
   */
  async acquire(most: number, isFresh: boolean, signal: AbortSignal): Promise<Acquired> {
    this.#acquiring += 1;
    try {
      return await this.#acquire(most, isFresh, signal);
    } finally {
      this.#acquiring -= 1;
      this.#tellEmpty();
    }
  }

  async #acquire(most: number, isFresh: boolean, signal: AbortSignal): Promise<Acquired> {
    for (;;) {
      if (this.#isClosed || signal.aborted) {
        // Whatever woke this waiter is for the next one.
        this.#wakeOne();
        const reason = this.#isClosed ? "the pool is closed" : errorText(signal.reason);
        return { kind: "busy", reason };
      }
      const connection = this.#takeIdle();
      if (connection && !isFresh) return { kind: "ready", connection, isReused: true };
      if (connection) this.#drop(connection);
      if (this.size < most) return this.#open(signal);
      await waitForTurn(this.#waiters, signal);
    }
  }

  release(connection: SmtpConnection): void {
    const { clock, idleMs = IDLE_MS } = this.#options;
    const { messagesPerConnection = MESSAGES_PER_CONNECTION } = this.#options;
    const use = this.#uses.get(connection);
    if (use === undefined) return;
    use.count += 1;
    const isSpent = use.count >= messagesPerConnection || !connection.usable();
    if (isSpent || this.#isClosed) {
      this.#drop(connection);
      return;
    }
    use.idle.set(clock.monotonic() + idleMs);
    this.#idle.push(connection);
    this.#wakeOne();
  }

  /** Ends all of them, those in use as well. */
  close(): void {
    this.#isClosed = true;
    this.#idle.length = 0;
    for (const connection of [...this.#uses.keys()]) this.#drop(connection);
    for (const wake of [...this.#waiters]) wake();
  }

  async #open(signal: AbortSignal): Promise<Acquired> {
    this.#opening += 1;
    const opened = await this.#options.open(signal);
    this.#opening -= 1;
    if (opened.kind === "failed") {
      this.#wakeOne();
      return opened;
    }
    const { connection } = opened;
    const idle = createMovingLimit(this.#options.clock, () => this.#dropIdle(connection));
    this.#uses.set(connection, { count: 0, idle });
    if (!this.#isClosed) return { kind: "ready", connection, isReused: false };
    this.#drop(connection);
    return { kind: "busy", reason: "the pool is closed" };
  }

  #takeIdle(): SmtpConnection | null {
    for (let last = this.#idle.pop(); last; last = this.#idle.pop()) {
      this.#uses.get(last)?.idle.clear();
      if (last.usable()) return last;
      this.#drop(last);
    }
    return null;
  }

  #dropIdle(connection: SmtpConnection): void {
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#drop(connection);
  }

  #drop(connection: SmtpConnection): void {
    this.#uses.get(connection)?.idle.end();
    this.#uses.delete(connection);
    if (connection.usable()) void connection.quit();
    else connection.close();
    this.#wakeOne();
    this.#tellEmpty();
  }

  #tellEmpty(): void {
    if (this.size === 0 && this.#acquiring === 0) this.#options.onEmpty?.();
  }

  #wakeOne(): void {
    const [first] = this.#waiters;
    first?.();
  }
}

function waitForTurn(waiters: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      waiters.delete(finish);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    waiters.add(finish);
    signal.addEventListener("abort", finish, { once: true });
  });
}
