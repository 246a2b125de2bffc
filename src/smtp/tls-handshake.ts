import type { Clock } from "../base/clock.ts";
import type { Wire } from "./wire.ts";

/** A handshake takes two round trips and a signature (threats.md P12). */
const TLS_HANDSHAKE_MS = 30_000;

/** The time between our 220 to STARTTLS and TLS, in which nothing can be said. */
export class TlsHandshake {
  readonly #clock: Clock;
  readonly #wire: Wire;
  #cancel: (() => void) | null = null;

  constructor(clock: Clock, wire: Wire) {
    this.#clock = clock;
    this.#wire = wire;
  }

  get isUnderWay(): boolean {
    return this.#cancel !== null;
  }

  begin(): void {
    this.#cancel = this.#clock.after(TLS_HANDSHAKE_MS, () => this.#wire.destroy());
    this.#wire.startTls();
  }

  /** It has succeeded, or the connection is over. */
  end(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}
