import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { SMTPServer } from "smtp-server";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import type { ClientCertificate } from "./client-certificate.ts";
import { InputStream } from "./input-stream.ts";
import type { TurnWriter } from "./turn-writer.ts";
import type { Wire, WireListener } from "./wire.ts";

/** After our last word this much is still read, so that the client is not reset while it reads it. */
const DISCARD_OCTETS = 65_536;

/**
 * A connection of smtp-server: it keeps the socket's life and does the TLS upgrade. Lines, data,
 * limits, timers and replies are the session's, so every path by which smtp-server would speak or
 * look at a command is overridden here (engine-seam.ts lists them).
 */
export class EdgeConnection extends SMTPConnection implements Wire {
  readonly #turn: TurnWriter;
  #listener: WireListener | null = null;
  #handshake: Socket | null = null;
  #closed: () => void = () => {};
  #judge: JudgeClient = () => null;
  #tlsError = "";

  constructor(engine: SMTPServer, socket: Socket, turn: TurnWriter) {
    super(engine, socket);
    this.#turn = turn;
  }

  /** Begins to read; early talk is the listener's to notice. `closed` is called once. */
  open(listener: WireListener, closed: () => void, judge: JudgeClient = () => null): void {
    this.#listener = listener;
    this.#judge = judge;
    this.#closed = closed;
    this._socket.allowHalfOpen = true;
    this._setListeners(() => {});
  }

  write(text: string): void {
    if (!this._upgrading && this._socket.writable) this.#turn.write(this._socket, text);
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
    // Our 220 leaves in the clear, before the TLS socket takes this one's place.
    this._socket.uncork();
    // Who ends in the middle of a handshake has left.
    this._socket.allowHalfOpen = false;
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
    // A 250 that nobody hears costs its recipient a second copy.
    this._socket.uncork();
    (this.#handshake ?? this._socket).destroy();
  }

  override _createParser(): InputStream {
    const input = new InputStream(() => this.#listener ?? SILENT);
    input.once("finish", () => this.#inputEnded(input));
    return input;
  }

  /**
   * The client sends no more, and all it sent has been answered. Exim says QUIT together with its
   * final dot and closes its half at once: to take that for leaving would cost it our 250, and its
   * recipient a second copy.
   */
  #inputEnded(input: InputStream): void {
    if (input === this._parser && !this._upgrading) this.#listener?.left("client left");
  }

  /** Limits in time are the session's. A TLS socket comes by here when its handshake begins. */
  override _armTimeout(socket: Socket = this._socket): void {
    if (socket instanceof TLSSocket && this._upgrading) this.#handshake = socket;
  }

  /** Nothing of its session is used. */
  override _resetSession(): void {}

  override _onError(error?: unknown): void {
    if (this._upgrading) this.#tlsError ||= codeOf(error);
    this.destroy();
  }

  override _onClose(): void {
    super._onClose();
    this.#closed();
    this.#closed = () => {};
    if (this._upgrading) this.#listener?.left("TLS handshake failed", this.#tlsError);
    else this.#listener?.left("client left");
  }

  #secured(): void {
    this.#handshake = null;
    const socket = this._socket;
    // Null when the client left at the end of its handshake: to read from it would throw, outside
    // any session, and end the process.
    const cipher = socket instanceof TLSSocket && !socket.destroyed ? socket.getCipher() : null;
    if (!(socket instanceof TLSSocket) || !cipher) {
      this.destroy();
      return;
    }
    socket.allowHalfOpen = true;
    const client = this.#judge(socket);
    this.#listener?.secured({
      protocol: socket.getProtocol() ?? "unknown",
      cipher: cipher.standardName ?? cipher.name,
      ...(client && { client }),
    });
  }
}

/** What the client proved; null where nobody asked. */
export type JudgeClient = (socket: TLSSocket) => ClientCertificate | null;

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

const SILENT: WireListener = {
  consume: (chunk) => Promise.resolve(chunk.length),
  idle() {},
  secured() {},
  left() {},
};
