import { pino } from "pino";
import { prettyFactory } from "pino-pretty";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

/** Lines are events with fields. The event is a short constant; whatever varies is a field. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A log that adds these fields to every line. */
  with(fields: LogFields): Log;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "json" | "pretty";
  /** Where whole lines go. Default: standard output, those of a few milliseconds at once. */
  readonly write?: (line: string) => void;
}

export function createLog(options: LogOptions): Log {
  const write = options.write ?? writeTogether((text) => void process.stdout.write(text));
  const { isTTY: colorize } = process.stdout;
  const toShown =
    options.format === "pretty"
      ? prettyFactory({ colorize, messageKey: "event" })
      : (line: string) => line;
  // Behind the formatter, which reads the JSON again, escapes and all.
  const stream = { write: (line: string) => write(escapeInvisible(toShown(line))) };
  return wrap(
    pino(
      {
        level: options.level,
        messageKey: "event",
        base: null,
        timestamp: createTimestamp(),
        formatters: { level: (label) => ({ level: label }) },
      },
      stream,
    ),
  );
}

/** ISO 8601, one text a millisecond. */
function createTimestamp(): () => string {
  let at = Number.NaN;
  let text = "";
  return () => {
    const now = Date.now();
    if (now !== at) text = `,"time":"${new Date(now).toISOString()}"`;
    at = now;
    return text;
  };
}

/** For tests and for code that runs before settings are read. */
export function createSilentLog(): Log {
  const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
  return silent;
}

function wrap(logger: pino.Logger): Log {
  return {
    debug: (event, fields = {}) => logger.debug(fields, event),
    info: (event, fields = {}) => logger.info(fields, event),
    warn: (event, fields = {}) => logger.warn(fields, event),
    error: (event, fields = {}) => logger.error(fields, event),
    with: (fields) => wrap(logger.child(fields)),
  };
}

// JSON escapes C0 only. C1, line separators and bidi controls would let a sender forge what an
// operator sees in a terminal, so they are written as \u escapes too (threats.md W8).
const INVISIBLE = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function escapeInvisible(line: string): string {
  return line.replace(INVISIBLE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** How long a line may wait for others. */
const TOGETHER_MS = 5;

/**
 * One call of the system for the lines of some milliseconds: under load a line each costs as
 * much as a tenth of the message it tells of. What an ending process has said is written before it ends.
 */
function writeTogether(write: (text: string) => void): (line: string) => void {
  let waiting = "";
  const flush = () => {
    const text = waiting;
    waiting = "";
    if (text !== "") write(text);
  };
  process.on("exit", flush);
  return (line) => {
    if (waiting === "") setTimeout(flush, TOGETHER_MS);
    waiting += line;
  };
}
