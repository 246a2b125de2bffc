import { type Clock, pause } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { CommandRunner } from "./command-runner.ts";
import { CommandTimer } from "./command-timer.ts";
import { type DataEnd, DataPhase } from "./data-phase.ts";
import { type Greeting, greetingOf } from "./greeting.ts";
import { LineReader } from "./line-reader.ts";
import {
  type ClosingReason,
  closing,
  formatLines,
  GO_AHEAD,
  READY_FOR_TLS,
  TOO_EARLY,
} from "./protocol-replies.ts";
import { formatReply, isPositive, type Reply, type ReplyCode } from "./reply.ts";
import { SessionBudget } from "./session-budget.ts";
import type { CommandContext } from "./session-commands.ts";
import type { ClientFacts, ConnectionHandler, DataSink, TlsFacts } from "./session-handler.ts";
import { dropTransaction, type OpenTransaction, type SessionState } from "./session-state.ts";
import type { SmtpLimits } from "./smtp-limits.ts";
import type { SmtpMetrics } from "./smtp-metrics.ts";
import type { Wire, WireListener } from "./wire.ts";

/** Each error beyond the soft limit is answered this late (threats.md P11). */
const ERROR_DELAY_MS = 1000;
/** A handshake takes two round trips and a signature (threats.md P12). */
const TLS_HANDSHAKE_MS = 30_000;

export interface SessionOptions {
  readonly handler: ConnectionHandler;
  readonly client: ClientFacts;
  readonly greeting: Greeting;
  /** Those in force when the client connected. */
  readonly limits: SmtpLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: SmtpMetrics;
}

/**
 * One client from greeting to close. Commands are answered in order, one reply each, except that
 * nothing is said after a reply that closes. The handler is called by one task at a time:
 *
 *   greet   connect → 220
 *   consume octets → command → handler → reply, or octets → data phase → sink → reply
 *   finish  once, when the session is over and no call is under way: abandon, drop, closed
 *
 * A session is over when it said goodbye, when the client left, or when a handler failed; `left` and
 * the timers only mark it and abort the signal, so that no two calls to the handler overlap.
 */
export class Session implements WireListener {
  readonly #options: SessionOptions;
  readonly #wire: Wire;
  readonly #abort = new AbortController();
  readonly #budget: SessionBudget;
  readonly #timer: CommandTimer;
  #lines: LineReader;
  #state: SessionState | null = null;
  #commands: CommandRunner | null = null;
  #data: DataPhase | null = null;
  #busy = false;
  #finished = false;
  #draining = false;
  #lineBegun = false;
  /** Why the session is over. */
  #over: string | null = null;
  /** Octets behind the command under way, in the same chunk. */
  #rest = 0;
  #cancelHandshake: (() => void) | null = null;

  constructor(options: SessionOptions, wire: Wire) {
    const { clock, limits } = options;
    this.#options = options;
    this.#wire = wire;
    this.#budget = new SessionBudget(limits.session);
    this.#timer = new CommandTimer(clock, limits.session, (reason) => this.#sayGoodbye(reason));
    this.#lines = new LineReader(limits.session.commandBytes);
  }

  get #hostname(): string {
    return this.#options.client.listener.hostname;
  }

  async greet(): Promise<void> {
    const { client, greeting, handler, limits } = this.#options;
    await this.#exclusively(async () => {
      const answer = await handler.connect(client, this.#abort.signal);
      if ("code" in answer) return this.#say({ ...answer, close: true });
      const offers = { maxBytes: limits.message.maxBytes, eightBitMime: false, smtpUtf8: false };
      this.#state = { handler: answer, tls: null, helo: null, offers, transaction: null };
      if (!this.#draining) await greeting.wait(answer, this.#wire, this.#abort.signal);
      this.#commands = new CommandRunner(this.#contextOf(this.#state));
      if (this.#draining) this.#sayGoodbye("draining");
      else this.#say(greetingOf(client.listener));
    });
    this.idle();
  }

  async consume(chunk: Buffer): Promise<number> {
    const commands = this.#commands;
    if (commands === null && this.#over === null) this.#say(this.#options.greeting.interrupted());
    if (commands === null || this.#over !== null || this.#busy) return chunk.length;
    this.#timer.stop();
    let used = chunk.length;
    await this.#exclusively(async () => {
      used = this.#data
        ? await this.#readData(this.#data, chunk)
        : await this.#readCommand(commands, chunk);
      await this.#roomForReplies();
    });
    return used;
  }

  idle(): void {
    if (this.#over !== null || this.#busy || this.#state === null || this.#cancelHandshake) return;
    if (this.#data) this.#data.wait(() => void this.#refuseSlowData());
    else if (this.#draining) this.#sayGoodbye("draining");
    else this.#timer.wait(this.#lineBegun);
  }

  secured(tls: TlsFacts): void {
    this.#cancelHandshake?.();
    this.#cancelHandshake = null;
    if (this.#state) this.#state.tls = tls;
    this.idle();
  }

  left(reason: string): void {
    this.#end(reason);
  }

  /** Says 421 as soon as no command and no message is under way. */
  drain(): void {
    this.#draining = true;
    if (this.#cancelHandshake) this.#wire.destroy();
    else if (!this.#data) this.idle();
  }

  /** The one place where a handler that fails is caught, and where the end is waited for. */
  async #exclusively(work: () => Promise<void> | void): Promise<void> {
    this.#busy = true;
    try {
      await work();
    } catch (error) {
      this.#fail(error);
    }
    this.#busy = false;
    if (this.#over !== null) await this.#finish();
  }

  async #readCommand(commands: CommandRunner, chunk: Buffer): Promise<number> {
    const step = this.#lines.read(chunk);
    this.#rest = chunk.length - step.used;
    this.#lineBegun = step.kind === "partial";
    if (this.#timer.isSessionOver() && !this.#lineBegun) this.#sayGoodbye("session-over");
    else await this.#answer(await commands.run(step));
    return step.used;
  }

  #contextOf(state: SessionState): CommandContext {
    return {
      state,
      budget: this.#budget,
      hostname: this.#hostname,
      maxBytes: this.#options.limits.message.maxBytes,
      signal: this.#abort.signal,
      unread: () => this.#unread(),
      sayLines: (code, lines) => this.#write(code, formatLines(code, lines)),
      startTls: () => this.#startTls(),
      startData: (transaction, sink) => this.#startData(state, transaction, sink),
    };
  }

  #unread(): number {
    return this.#rest + this.#wire.unread();
  }

  /** Whatever was sent before the handshake is dropped with the reader (threats.md P4). */
  #startTls(): void {
    if (this.#over !== null) return;
    this.#say(READY_FOR_TLS);
    this.#lines = new LineReader(this.#options.limits.session.commandBytes);
    this.#cancelHandshake = this.#options.clock.after(TLS_HANDSHAKE_MS, () => this.#wire.destroy());
    this.#wire.startTls();
  }

  #startData(state: SessionState, transaction: OpenTransaction, sink: DataSink): void {
    const { clock, limits } = this.#options;
    this.#data = new DataPhase({
      sink,
      limits: limits.message,
      maxBytes: state.offers.maxBytes,
      declaredBytes: transaction.declaredBytes,
      clock,
    });
    this.#say(this.#unread() > 0 ? TOO_EARLY : GO_AHEAD);
  }

  async #readData(data: DataPhase, chunk: Buffer): Promise<number> {
    const { used, end } = await data.push(chunk);
    if (end) await this.#conclude(end);
    return used;
  }

  #refuseSlowData(): Promise<void> {
    return this.#exclusively(async () => {
      if (this.#data) await this.#conclude(await this.#data.refuseSlow());
    });
  }

  /** A verdict on a message is no error of the session; data that is no message is one. */
  async #conclude({ reply, fault }: DataEnd): Promise<void> {
    this.#data = null;
    if (fault === null) {
      if (isPositive(reply)) this.#budget.messageAccepted();
      this.#say(reply);
      return;
    }
    this.#options.metrics.dataFaults.add({ listener: this.#options.client.listener.name, fault });
    await this.#answer(reply);
  }

  async #answer(reply: Reply | null): Promise<void> {
    if (reply === null) return;
    const over = reply.code >= 500 ? this.#budget.error() : null;
    if (over !== null) return this.#sayGoodbye(over);
    if (reply.code >= 500 && this.#budget.isSlowed()) {
      await pause(this.#options.clock, ERROR_DELAY_MS, this.#abort.signal);
    }
    this.#say(reply);
  }

  #sayGoodbye(reason: ClosingReason): void {
    this.#say(closing(this.#hostname, reason), reason);
  }

  #say(reply: Reply, reason?: string): void {
    if (this.#over !== null) return;
    this.#write(reply.code, `${formatReply(reply)}\r\n`);
    if (reply.close) this.#end(reason ?? (reply.code === 221 ? "quit" : `said ${reply.code}`));
  }

  #write(code: ReplyCode, text: string): void {
    const { client, metrics } = this.#options;
    this.#wire.write(text);
    metrics.replies.add({ listener: client.listener.name, code: String(code) });
  }

  /** A client that sends commands and reads no replies is not read any further. */
  async #roomForReplies(): Promise<void> {
    if (this.#wire.hasRoom()) return;
    this.#timer.wait(false);
    await this.#wire.flushed();
    this.#timer.stop();
  }

  #fail(error: unknown): void {
    // A call that gave up because the client left did as it was told.
    if (this.#over !== null && error === this.#abort.signal.reason) return;
    const { client, log } = this.#options;
    const stack = error instanceof Error ? error.stack : String(error);
    log.error("session-failed", { client: client.ip, listener: client.listener.name, stack });
    this.#sayGoodbye("fault");
  }

  #end(reason: string): void {
    if (this.#over !== null) return;
    this.#over = reason;
    this.#timer.stop();
    this.#cancelHandshake?.();
    this.#abort.abort(new Error(`the session is over: ${reason}`));
    this.#wire.close();
    if (!this.#busy) void this.#finish();
  }

  async #finish(): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    const reason = this.#over ?? "";
    const state = this.#state;
    const steps = [
      () => this.#data?.abandon(),
      () => state && dropTransaction(state, reason),
      () => state?.handler.closed(reason),
    ];
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        this.#fail(error);
      }
    }
  }
}
