import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { MAX_RESPONSE_OCTETS } from "./auth-command.ts";
import type { Authenticator } from "./authenticator.ts";
import { type CommandContext, toCommandContext } from "./command-context.ts";
import { CommandRunner } from "./command-runner.ts";
import { CommandTimer } from "./command-timer.ts";
import { type DataEnd, DataPhase } from "./data-phase.ts";
import { ErrorPolicy } from "./error-policy.ts";
import type { Greeting } from "./greeting.ts";
import type { Harvest } from "./harvest.ts";
import { LineReader } from "./line-reader.ts";
import { isAnonymous, type ListenerRules } from "./listener-rules.ts";
import {
  type ClosingReason,
  closing,
  GO_AHEAD,
  READY_FOR_TLS,
  TOO_EARLY,
} from "./protocol-replies.ts";
import { isError, isPositive, type Reply } from "./reply.ts";
import { ReplyWriter } from "./reply-writer.ts";
import { SessionBudget } from "./session-budget.ts";
import { endSession, logFailure } from "./session-ending.ts";
import type { ClientFacts, ConnectionHandler, DataSink, TlsFacts } from "./session-handler.ts";
import { newSessionState, type OpenTransaction, type SessionState } from "./session-state.ts";
import type { SmtpLimits } from "./smtp-limits.ts";
import type { SmtpMetrics } from "./smtp-metrics.ts";
import { TlsHandshake } from "./tls-handshake.ts";
import type { Wire, WireListener } from "./wire.ts";

export interface SessionOptions {
  readonly handler: ConnectionHandler;
  readonly client: ClientFacts;
  readonly greeting: Greeting;
  readonly harvest: Harvest;
  /** Those in force when the client connected. */
  readonly limits: SmtpLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: SmtpMetrics;
  readonly rules: ListenerRules;
  readonly authenticator: Authenticator | null;
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
  readonly #errors: ErrorPolicy;
  readonly #replies: ReplyWriter;
  readonly #handshake: TlsHandshake;
  #lines: LineReader;
  /** Of what answers a challenge of AUTH; each line begins in the one it ends in. */
  readonly #responses = new LineReader(MAX_RESPONSE_OCTETS);
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

  constructor(options: SessionOptions, wire: Wire) {
    const { client, clock, harvest, limits, metrics } = options;
    this.#options = options;
    this.#wire = wire;
    this.#budget = new SessionBudget(limits.session);
    this.#timer = new CommandTimer(clock, limits.session, (reason) => this.#sayGoodbye(reason));
    this.#errors = new ErrorPolicy({
      budget: this.#budget,
      harvest,
      clock,
      isAnonymous: () => isAnonymous(options.rules, client, this.#state),
      remainingMs: () => this.#timer.remainingMs(),
    });
    this.#replies = new ReplyWriter(wire, metrics, client.listener.name);
    this.#handshake = new TlsHandshake(clock, wire);
    this.#lines = new LineReader(limits.session.commandBytes);
  }

  async greet(): Promise<void> {
    const { client, greeting, handler, harvest, limits } = this.#options;
    await this.#exclusively(async () => {
      const answer = await handler.connect(client, this.#abort.signal);
      if ("code" in answer) return this.#say({ ...answer, close: true });
      if (answer.isTrusted) harvest.trust();
      this.#state = newSessionState(answer, limits.message.maxBytes);
      if (!this.#draining) await greeting.wait(answer, this.#wire, this.#abort.signal);
      this.#commands = new CommandRunner(this.#contextOf(this.#state));
      if (this.#draining) this.#sayGoodbye("draining");
      else this.#say(greeting.lastLine());
    });
    this.idle();
  }

  async consume(chunk: Buffer): Promise<number> {
    const commands = this.#commands;
    if (commands === null && this.#over === null) this.#say(this.#options.greeting.interrupted());
    if (commands === null || this.#over !== null || this.#busy) return chunk.length;
    this.#timer.stop();
    const used = await this.#exclusively(() =>
      this.#data ? this.#readData(this.#data, chunk) : this.#readCommand(commands, chunk),
    );
    if (this.#over === null && !this.#wire.hasRoom())
      await this.#exclusively(() => this.#roomForReplies());
    return used ?? chunk.length;
  }

  idle(): void {
    if (this.#over !== null || this.#busy || this.#state === null) return;
    if (this.#handshake.isUnderWay) return;
    if (this.#data) this.#data.wait(() => void this.#refuseSlowData());
    else if (this.#draining) this.#sayGoodbye("draining");
    else this.#timer.wait(this.#lineBegun);
  }

  secured(tls: TlsFacts): void {
    this.#handshake.end();
    if (this.#state) this.#state.tls = tls;
    this.idle();
  }

  left(reason: string): void {
    this.#end(reason);
  }

  /** The gateway is nearly full: whoever does nothing, or errs, makes room. */
  stress(on: boolean): void {
    this.#timer.stress(on);
    this.#errors.stress(on);
  }

  /** Says 421 as soon as no command and no message is under way. */
  drain(): void {
    this.#draining = true;
    this.#errors.hurry();
    if (this.#handshake.isUnderWay) this.#wire.destroy();
    else if (!this.#data) this.idle();
  }

  /** The one place where a handler that fails is caught, and where the end is waited for. */
  async #exclusively<T>(work: () => Promise<T>): Promise<T | undefined> {
    this.#busy = true;
    let done: T | undefined;
    try {
      done = await work();
    } catch (error) {
      this.#fail(error);
    }
    this.#busy = false;
    if (this.#over !== null) await this.#finish();
    return done;
  }

  async #readCommand(commands: CommandRunner, chunk: Buffer): Promise<number> {
    const start = this.#lineBegun ? undefined : chunk[0];
    const step = (this.#state?.exchange ? this.#responses : this.#lines).read(chunk);
    this.#rest = chunk.length - step.used;
    this.#lineBegun = step.kind === "partial";
    if (!this.#lineBegun && this.#draining) this.#sayGoodbye("draining");
    else if (!this.#lineBegun && this.#timer.isSessionOver()) this.#sayGoodbye("session-over");
    else {
      const reply = await commands.run(step, start);
      if (reply !== null && isError(reply)) await this.#answer(reply);
      else if (reply !== null) this.#say(reply);
    }
    return step.used;
  }

  #contextOf(state: SessionState): CommandContext {
    const { signal } = this.#abort;
    return toCommandContext(this.#options, {
      state,
      budget: this.#budget,
      signal,
      unread: () => this.#unread(),
      sayLines: (code, lines) => this.#replies.writeLines(code, lines),
      startTls: () => this.#startTls(),
      delay: (ms) => this.#errors.delay(ms, signal),
      startData: (transaction, sink) => this.#startData(state, transaction, sink),
    });
  }

  #unread(): number {
    return this.#rest + this.#wire.unread();
  }

  /** Whatever was sent before the handshake is dropped with the reader (threats.md P4). */
  #startTls(): void {
    if (this.#over !== null) return;
    this.#say(READY_FOR_TLS);
    this.#lines = new LineReader(this.#options.limits.session.commandBytes);
    this.#handshake.begin();
  }

  #startData(state: SessionState, transaction: OpenTransaction, sink: DataSink): void {
    const { clock, limits } = this.#options;
    this.#data = new DataPhase({
      sink,
      limits: limits.message,
      maxBytes: Math.min(state.offers.maxBytes, sink.maxBytes ?? Number.POSITIVE_INFINITY),
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

  /** An error may be worth a pause, or the end. */
  async #answer(reply: Reply): Promise<void> {
    const over = await this.#errors.charge(reply, this.#abort.signal);
    if (over === null) this.#say(reply);
    else this.#sayGoodbye(over);
  }

  #sayGoodbye(reason: ClosingReason): void {
    this.#say(closing(this.#options.client.listener.hostname, reason), reason);
  }

  #say(reply: Reply, reason?: string): void {
    if (this.#over !== null) return;
    this.#replies.write(reply);
    if (reply.close) this.#end(reason ?? (reply.code === 221 ? "quit" : `said ${reply.code}`));
  }

  /** A client that sends commands and reads no replies is not read any further. */
  async #roomForReplies(): Promise<void> {
    this.#timer.wait(false);
    await this.#wire.flushed();
    this.#timer.stop();
  }

  #fail(error: unknown): void {
    // A call that gave up because the client left did as it was told.
    if (this.#over !== null && error === this.#abort.signal.reason) return;
    logFailure(this.#options.log, this.#options.client, error);
    this.#sayGoodbye("fault");
  }

  #end(reason: string): void {
    if (this.#over !== null) return;
    this.#over = reason;
    this.#timer.end();
    this.#handshake.end();
    this.#abort.abort(new Error(`the session is over: ${reason}`));
    this.#wire.close();
    if (!this.#busy) void this.#finish();
  }

  async #finish(): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    await endSession(this.#state, this.#data, this.#over ?? "", (error) => this.#fail(error));
  }
}
