import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";

const DEADLINE_MS = 5000;

export interface RawReply {
  readonly code: number;
  /** Without code and separator. */
  readonly lines: readonly string[];
  /** As it came, without the final CRLF. */
  readonly text: string;
}

export interface RawClientOptions {
  readonly port: number;
  readonly host?: string;
  readonly localAddress?: string;
}

/**
 * An SMTP client that sends octets exactly as it is told and does nothing by itself. Every wait ends
 * after a few seconds with an error that says what was read so far.
 */
export class RawClient {
  #socket: Socket;
  #text = "";
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#attach();
  }

  static async open(options: RawClientOptions): Promise<RawClient> {
    const socket = connect({ host: "127.0.0.1", noDelay: true, ...options });
    await once(socket, "connect");
    return new RawClient(socket);
  }

  get socket(): Socket {
    return this.#socket;
  }

  send(octets: string | Buffer): void {
    this.#socket.write(typeof octets === "string" ? Buffer.from(octets) : octets);
  }

  /** Sends, and resolves once the kernel has it: a later `send` is another segment. */
  async sendNow(octets: string | Buffer): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.write(octets, () => resolve()));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Sends a line with CRLF and reads the reply to it. */
  async say(line: string): Promise<RawReply> {
    this.send(`${line}\r\n`);
    return this.reply();
  }

  /** The next whole reply, all its lines. */
  async reply(): Promise<RawReply> {
    const match = await this.#until("a reply", () =>
      /^(?:\d{3}-[^\r\n]*\r\n)*\d{3} .*\r\n/.exec(this.#text),
    );
    const text = match[0];
    this.#text = this.#text.slice(text.length);
    const lines = text.trimEnd().split("\r\n");
    return {
      code: Number(text.slice(0, 3)),
      lines: lines.map((line) => line.slice(4)),
      text: lines.join("\r\n"),
    };
  }

  /** The next line, without CRLF. */
  async line(): Promise<string> {
    const [whole, line] = await this.#until("a line", () => /^(.*)\r\n/.exec(this.#text));
    this.#text = this.#text.slice(whole.length);
    return line ?? "";
  }

  /** Resolves to what was read and not taken as a reply once the server has closed. */
  async closed(): Promise<string> {
    await this.#until("the end", () => this.#ended || null);
    return this.#text;
  }

  /** True when the server has said everything and closed. */
  get isClosed(): boolean {
    return this.#ended;
  }

  /** Read and not taken as a reply yet. */
  get pending(): string {
    return this.#text;
  }

  /** The TLS handshake after a 220 to STARTTLS; any certificate will do. */
  async secure(options: ConnectionOptions = {}): Promise<TLSSocket> {
    this.#socket.removeAllListeners();
    const socket = connectTls({ socket: this.#socket, rejectUnauthorized: false, ...options });
    this.#socket = socket;
    this.#attach();
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve);
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("closed during the handshake")));
    });
    return socket;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #attach(): void {
    const socket = this.#socket;
    const end = () => {
      if (socket !== this.#socket) return;
      this.#ended = true;
      this.#wake();
    };
    socket.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString("latin1");
      this.#wake();
    });
    socket.on("end", end);
    socket.on("close", end);
    socket.on("error", end);
  }

  async #until<T>(what: string, found: () => T | null): Promise<T> {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const result = found();
      if (result !== null) return result;
      if (this.#ended) throw new Error(`closed before ${what}; read ${JSON.stringify(this.#text)}`);
      await this.#woken(deadline - Date.now(), what);
    }
  }

  #woken(ms: number, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no ${what} in time; read ${JSON.stringify(this.#text)}`)),
        Math.max(0, ms),
      );
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
