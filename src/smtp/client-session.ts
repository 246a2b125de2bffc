import type { TLSSocket } from "node:tls";
import SMTPConnection, { type SMTPConnectionOptions } from "nodemailer/lib/smtp-connection";
import type { Clock } from "../base/clock.ts";
import { createMovingLimit, type MovingLimit } from "../base/moving-limit.ts";
import { formatRemoteReply, parseRemoteReply } from "./client-reply.ts";
import type { RemoteReply } from "./smtp-client.ts";
import type { TurnWriter } from "./turn-writer.ts";

/** What came back for one command. `lost` also when it never left. */
export type Answer = { readonly kind: "reply"; readonly reply: RemoteReply } | Lost;

/**
 * The connection is over. `reply` holds the server's last words when they were the reason. A 421
 * is always one: it speaks of the connection, whatever it answers (RFC 5321 3.8).
 */
export interface Lost {
  readonly kind: "lost";
  readonly reason: string;
  readonly reply: RemoteReply | null;
}

/** The members of SMTPConnection beyond its documented ones that we stand on. */
interface Seams {
  /** One handler for each reply that is awaited, in order; called with the whole reply. */
  readonly _responseActions: ((reply: string) => void)[];
  /** Whole replies that no handler has got yet, and the beginning of the next. */
  readonly _responseQueue: readonly string[];
  readonly _remainder: string;
  /** Listens to the socket. */
  _onSocketData: (chunk: Buffer) => void;
  readonly _ehloLines?: readonly string[];
}

/** A reply that is due. */
interface Question {
  readonly what: string;
  readonly limitMs: number;
  readonly settle: (answer: Answer) => void;
}

/** Replies that nobody waits for. A server that says goodbye, or is out of step, is far below. */
const MAX_UNASKED = 16;

const CLOSED: Lost = { kind: "lost", reason: "the connection is closed", reply: null };

/**
 * nodemailer's connection up to the end of EHLO and STARTTLS, its reading of replies, and our own
 * transactions on top. Its `send` is not used: it re-parses addresses, knows one DSN setting for
 * all recipients, sends a message to a server that accepted nobody and says 354, repairs bare line
 * ends instead of refusing them, and does not tell when the dot leaves.
 *
 * Every end of the connection, whatever the reason, arrives as `end`: then each open question is
 * answered with `lost`. Nothing here rejects.
 */
export class ClientSession extends SMTPConnection {
  readonly #clock: Clock;
  readonly #turn: TurnWriter;
  readonly #open = new Set<(lost: Lost) => void>();
  /** In the order of their commands; the limit of the first one runs. */
  readonly #questions: Question[] = [];
  readonly #limit: MovingLimit;
  #end: Lost | null = null;
  #isWithoutTls = false;
  /** Command lines that leave together. */
  #batch: string | null = null;

  constructor(options: SMTPConnectionOptions, clock: Clock, turn: TurnWriter) {
    super({ ...options, socketCloseTimeout: 0 });
    this.#clock = clock;
    this.#turn = turn;
    this.#limit = createMovingLimit(clock, () => this.#failLate());
    const { _responseActions, _responseQueue, _onSocketData: read } = this.#seams;
    if (!Array.isArray(_responseActions) || !Array.isArray(_responseQueue) || !read) {
      throw new Error("nodemailer's SMTPConnection has changed: no queue of replies");
    }
    this.#seams._onSocketData = (chunk) => {
      read(chunk);
      this.#refuseFlood();
    };
    this.on("error", (error: Error & { response?: unknown }) => this.#note(error));
    this.on("end", () => this.#finish());
  }

  /** Greeting, EHLO, STARTTLS. Null when the session stands, else why it does not. */
  establish(limitMs: number): Promise<Lost | null> {
    return new Promise((resolve) => {
      const settle = (lost: Lost | null) => {
        cancel();
        this.#open.delete(settle);
        resolve(lost);
      };
      const cancel = this.#clock.after(limitMs, () => this.fail(`no session within ${limitMs} ms`));
      this.#open.add(settle);
      this.connect((error) => {
        if (error) this.#note(error);
        settle(error ? this.#end : null);
      });
    });
  }

  /** EHLO keywords, without the line that greets us. Empty after HELO. */
  get ehloLines(): readonly string[] {
    return this.#seams._ehloLines ?? [];
  }

  /** Nothing can be said any more. A server that has closed its half counts. */
  get isOver(): boolean {
    return this.#end !== null || this.destroyed || !this._socket || !this._socket.writable;
  }

  /** Why it is over. */
  get lost(): Lost {
    return this.#end ?? CLOSED;
  }

  /** What was wrong with TLS, when that ended the session before it stood. */
  get tlsFault(): "starttls" | "handshake" | null {
    if (this.#end === null) return null;
    if (this.upgrading === true) return "handshake";
    return this.#isWithoutTls ? "starttls" : null;
  }

  /** Null: in the clear. */
  get tlsSocket(): TLSSocket | null {
    return this.secure ? (this._socket as TLSSocket) : null;
  }

  /**
   * Sends one command line, which must hold no CR or LF, and waits for its reply. `what` names it
   * in a reason.
   */
  exchange(command: string, limitMs: number, what = command.slice(0, 4)): Promise<Answer> {
    const answer = this.expect(limitMs, what);
    if (this.isOver || !this._socket) return answer;
    if (/[\r\n\0]/.test(command)) this.fail("a command with a control character");
    else if (this.#batch !== null) this.#batch += `${command}\r\n`;
    else this.#turn.write(this._socket, `${command}\r\n`);
    return answer;
  }

  /** Waits for the next reply that nobody else waits for; `limitMs` begins with its turn. */
  expect(limitMs: number, what: string): Promise<Answer> {
    if (this.#hasUnaskedReply()) this.fail("the server answered what was not asked yet");
    if (this.isOver) return Promise.resolve(this.lost);
    return new Promise((settle) => {
      this.#questions.push({ what, limitMs, settle });
      if (this.#questions.length === 1) this.#startLimit();
      this.#seams._responseActions.push((raw) => this.#answered(raw));
    });
  }

  /** Without waiting for them to leave: whoever expects an answer to them has the limit on it. */
  tell(octets: Buffer): void {
    if (!this.isOver && this._socket) this.#turn.write(this._socket, octets);
  }

  /** Resolves true once the octets have left this process, false when they never will. */
  write(octets: Buffer, limitMs: number): Promise<boolean> {
    const socket = this._socket;
    if (this.isOver || !socket) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (left: boolean) => {
        cancel();
        this.#open.delete(lost);
        resolve(left);
      };
      const lost = () => settle(false);
      const cancel = this.#clock.after(limitMs, () =>
        this.fail(`a block was not taken within ${limitMs} ms`),
      );
      this.#open.add(lost);
      socket.write(octets, (error) => settle(!error));
    });
  }

  /** Commands written meanwhile leave in one segment (RFC 2920). */
  batch(write: () => void): void {
    this.#batch = "";
    write();
    const text = this.#batch;
    this.#batch = null;
    if (text !== "" && !this.isOver && this._socket) this.#turn.write(this._socket, text);
  }

  /** Ends the connection at once; what was asked and not answered is lost for this reason. */
  fail(reason: string): void {
    this.#end ??= { kind: "lost", reason, reply: null };
    this.close();
    this.#finish();
  }

  /**
   * Two replies in one segment where one was due: the second would answer the next command, and
   * every later one would be off by one.
   */
  #hasUnaskedReply(): boolean {
    const { _responseActions, _responseQueue, _remainder } = this.#seams;
    return _responseActions.length === 0 && (_responseQueue.length > 0 || _remainder !== "");
  }

  /**
   * nodemailer hands out no reply while the last one it read is unfinished: a server that always
   * begins another before we have read to the end would fill our memory with whole ones.
   */
  #refuseFlood(): void {
    const { _responseActions, _responseQueue } = this.#seams;
    if (_responseQueue.length <= _responseActions.length + MAX_UNASKED || this.isOver) return;
    this.fail("the server answers what was not asked");
  }

  get #seams(): Seams {
    return this as unknown as Seams;
  }

  #note(error: Error & { response?: unknown; command?: unknown }): void {
    // A server that knows only HELO has no STARTTLS either.
    this.#isWithoutTls ||= error.command === "STARTTLS" || /required STARTTLS/.test(error.message);
    const reply = typeof error.response === "string" ? parseRemoteReply(error.response) : null;
    this.#end ??= reply ? toLost(reply) : { kind: "lost", reason: error.message, reply };
  }

  #startLimit(): void {
    const [first] = this.#questions;
    if (!first) return;
    this.#limit.set(this.#clock.monotonic() + first.limitMs);
  }

  #failLate(): void {
    const [first] = this.#questions;
    if (first) this.fail(`no answer to ${first.what} within ${first.limitMs} ms`);
  }

  #answered(raw: string): void {
    const [first] = this.#questions;
    // Behind a 421 nothing counts.
    if (!first) return;
    const reply = parseRemoteReply(raw);
    if (reply?.code === 421) {
      this.#end ??= toLost(reply);
      this.#finish();
    } else if (reply) {
      this.#limit.clear();
      this.#questions.shift();
      this.#startLimit();
      first.settle({ kind: "reply", reply });
    } else {
      this.fail(`no SMTP reply to ${first.what}`);
    }
  }

  #finish(): void {
    this.#end ??= CLOSED;
    this.#limit.end();
    for (const { settle } of this.#questions.splice(0)) settle(this.#end);
    for (const settle of this.#open) settle(this.#end);
    this.#open.clear();
  }
}

function toLost(reply: RemoteReply): Lost {
  return { kind: "lost", reason: formatRemoteReply(reply), reply };
}
