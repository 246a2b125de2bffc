import type { Socket } from "node:net";
import { type CipherNameAndProtocol, TLSSocket } from "node:tls";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import { InputStream } from "./input-stream.ts";
import type { Wire, WireListener } from "./wire.ts";

/** After our last word this much is still read, so that the client is not reset while it reads it. */
const DISCARD_OCTETS = 65_536;

/**
 * A connection of smtp-server: it keeps the socket's life and does the TLS upgrade. Lines, data,
 * limits, timers and replies are the session's, so every path by which smtp-server would speak or
 * look at a command is overridden here (engine-seam.ts lists them).
 */
export class EdgeConnection extends SMTPConnection implements Wire {
  #listener: WireListener | null = null;
  #handshake: Socket | null = null;
  #closed: () => void = () => {};

  /** Begins to read; early talk is the listener's to notice. `closed` is called once. */
  open(listener: WireListener, closed: () => void): void {
    this.#listener = listener;
    this.#closed = closed;
    this._setListeners(() => {});
  }

  write(text: string): void {
    if (!this._upgrading && this._socket.writable) this._socket.write(text);
  }

  hasRoom(): boolean {
    return this._socket.destroyed || !this._socket.writableNeedDrain;
  }

  flushed(): Promise<void> {
    const socket = this._socket;
    return new Promise((resolve) => {
      const done = () => {
        socket.off("drain", done);
        socket.off("close", done);
        resolve();
      };
      if (this.hasRoom()) return resolve();
      socket.on("drain", done);
      socket.on("close", done);
    });
  }

  unread(): number {
    const parser = this._parser;
    return (parser instanceof InputStream ? parser.unread : 0) + this._socket.readableLength;
  }

  startTls(): void {
    this.upgrade(
      () => {},
      () => this.#secured(),
    );
  }

  override close(): void {
    const isFirst = !this._closing && !this._closed;
    super.close();
    if (!isFirst) return;
    let left = DISCARD_OCTETS;
    // smtp-server reads on for five seconds, however fast the client sends.
    this._socket.on("data", (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) this._socket.pause();
    });
  }

  destroy(): void {
    (this.#handshake ?? this._socket).destroy();
  }

  override _createParser(): InputStream {
    return new InputStream(() => this.#listener ?? SILENT);
  }

  /** Limits in time are the session's. A TLS socket comes by here when its handshake begins. */
  override _armTimeout(socket: Socket = this._socket): void {
    if (socket instanceof TLSSocket && this._upgrading) this.#handshake = socket;
  }

  /** Nothing of its session is used. */
  override _resetSession(): void {}

  override _onError(): void {
    this.destroy();
  }

  override _onClose(): void {
    super._onClose();
    this.#closed();
    this.#closed = () => {};
    this.#listener?.left(this._upgrading ? "TLS handshake failed" : "client left");
  }

  #secured(): void {
    this.#handshake = null;
    const socket = this._socket;
    if (!(socket instanceof TLSSocket)) {
      this.destroy();
      return;
    }
    // Null, whatever its type says, when the client is gone by now: it must not end the process.
    const cipher: CipherNameAndProtocol | null = socket.getCipher();
    if (cipher === null) {
      this.destroy();
      return;
    }
    this.#listener?.secured({
      protocol: socket.getProtocol() ?? "unknown",
      cipher: cipher.standardName ?? cipher.name,
    });
  }
}

const SILENT: WireListener = {
  consume: (chunk) => Promise.resolve(chunk.length),
  idle() {},
  secured() {},
  left() {},
};
