import { setImmediate as nextTurn } from "node:timers/promises";
import { SMTPStream } from "smtp-server/lib/smtp-stream.js";
import type { WireListener } from "./wire.ts";

/** Received and not looked at; beyond it the socket is not read. */
const BUFFER_OCTETS = 65_536;
/**
 * Stands where smtp-server pipes its socket to. Its own reader takes a bare LF for a line end in
 * commands and lets bare CR and LF pass in DATA, so nothing of it is used but its place and its
 * `isClosed`, which smtp-server sets when a connection closes and when it becomes TLS.
 */
export class InputStream extends SMTPStream {
  readonly #listener: () => WireListener;
  #chunkLength = 0;

  constructor(listener: () => WireListener) {
    super({ highWaterMark: BUFFER_OCTETS });
    this.#listener = listener;
  }

  /** Octets behind the chunk that is being looked at. */
  get unread(): number {
    return this.writableLength - this.#chunkLength;
  }

  override _write(chunk: Buffer, _encoding: unknown, next: () => void): void {
    void this.#feed(chunk, next);
  }

  /** What is left when the client ends without CRLF is no command. */
  override _flushData(): void {}

  async #feed(chunk: Buffer, done: () => void): Promise<void> {
    this.#chunkLength = chunk.length;
    let rest = chunk;
    while (rest.length > 0 && !this.isClosed) {
      rest = rest.subarray(await this.#listener().consume(rest));
      // The other clients' turn: a chunk holds a thousand pipelined commands, each of which may cost
      // what a recipient costs, and a hundred clients with one would keep everybody waiting
      // (threats.md R3).
      if (rest.length > 0) await nextTurn();
    }
    const isLast = this.unread === 0;
    this.#chunkLength = 0;
    if (isLast && !this.isClosed) this.#listener().idle();
    done();
  }
}
