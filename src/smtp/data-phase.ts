import type { Clock } from "../base/clock.ts";
import { type ContentFault, DataReader } from "./data-reader.ts";
import type { Reply } from "./reply.ts";
import type { DataFault, DataSink } from "./session-handler.ts";
import type { SmtpLimits } from "./smtp-limits.ts";

/** A message over the limit is read this much further, for its end may be near (behaviour.md 5). */
const MAX_OVERSHOOT_BYTES = 65_536;
/** Before the minimum rate is asked for: a client may need a moment to open its file. */
const RATE_GRACE_MS = 60_000;
/** The whole of DATA: at least ten minutes (RFC 5321 4.5.3.2.6), at this rate, at most thirty. */
const TOTAL_MIN_MS = 600_000;
const TOTAL_MAX_MS = 1_800_000;
const TOTAL_BYTES_PER_SECOND = 16_384;

export interface DataPhaseOptions {
  readonly sink: DataSink;
  readonly limits: SmtpLimits["message"];
  /** What EHLO promised. */
  readonly maxBytes: number;
  /** SIZE= of MAIL FROM. */
  readonly declaredBytes: number | undefined;
  readonly clock: Clock;
}

export interface DataEnd {
  readonly reply: Reply;
  readonly fault: DataFault | null;
}

/**
 * From 354 to the reply. The sink gets exactly one of end and abort: end at CRLF.CRLF of a faultless
 * message, abort in every other case. Time that the sink takes is not counted against the client.
 */
export class DataPhase {
  readonly #options: DataPhaseOptions;
  readonly #reader: DataReader;
  readonly #totalMs: number;
  #state: "reading" | "settled" = "reading";
  /** Time that the client kept us waiting, and since when it does again. */
  #clientMs = 0;
  #waitingSince: number | null = null;
  #cancelTimer: (() => void) | null = null;

  constructor(options: DataPhaseOptions) {
    const { limits, maxBytes, sink } = options;
    this.#options = options;
    this.#reader = new DataReader({
      lineEndings: sink.lineEndings,
      maxBytes,
      maxHeaderBytes: limits.headerBytes,
      maxHeaderLines: limits.headerLines,
    });
    const bytes = Math.min(options.declaredBytes ?? maxBytes, maxBytes);
    const atRateMs = (bytes / TOTAL_BYTES_PER_SECOND) * 1000;
    this.#totalMs = Math.min(Math.max(TOTAL_MIN_MS, atRateMs), TOTAL_MAX_MS);
  }

  /** Resolves to the octets of the chunk that were data, and to the end when it is reached. */
  async push(chunk: Buffer): Promise<{ readonly used: number; readonly end: DataEnd | null }> {
    this.#stopWaiting();
    const step = this.#reader.read(chunk);
    if (step.payload.length > 0) await this.#options.sink.write(step.payload);
    if (step.ended) return { used: step.used, end: await this.#finish(this.#reader.fault) };
    const tooFar = this.#reader.size > this.#options.maxBytes + MAX_OVERSHOOT_BYTES;
    // The rest of the message would be taken for commands: the connection has to go.
    const end = tooFar ? await this.#refuse("too-large", { close: true }) : null;
    return { used: step.used, end };
  }

  /** The client's turn. `tooSlow` is called when it does not make use of it. */
  wait(tooSlow: () => void): void {
    const now = this.#options.clock.monotonic();
    this.#waitingSince = now;
    const { minBytesPerSecond } = this.#options.limits;
    const earnedMs = (this.#reader.size / Math.max(1, minBytesPerSecond)) * 1000;
    const dueMs = Math.min(Math.max(RATE_GRACE_MS, earnedMs), this.#totalMs) - this.#clientMs;
    this.#cancelTimer = this.#options.clock.after(Math.max(0, dueMs), tooSlow);
  }

  /** Ends a message that does not arrive at a bearable pace. */
  refuseSlow(): Promise<DataEnd> {
    return this.#refuse("too-slow", { close: true });
  }

  /** Nobody is there to be answered. Does nothing once the sink was told its end. */
  async abandon(): Promise<void> {
    this.#stopWaiting();
    if (this.#state === "settled") return;
    this.#state = "settled";
    await this.#options.sink.abort("gone");
  }

  async #finish(fault: ContentFault | null): Promise<DataEnd> {
    if (fault !== null) return this.#refuse(fault, { close: false });
    this.#state = "settled";
    return { reply: await this.#options.sink.end(), fault: null };
  }

  async #refuse(fault: DataFault, how: { readonly close: boolean }): Promise<DataEnd> {
    this.#stopWaiting();
    this.#state = "settled";
    const { sink } = this.#options;
    const refusal = sink.refusal(fault);
    await sink.abort(fault);
    return { reply: how.close ? { ...refusal, close: true } : refusal, fault };
  }

  #stopWaiting(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#waitingSince === null) return;
    this.#clientMs += this.#options.clock.monotonic() - this.#waitingSince;
    this.#waitingSince = null;
  }
}
