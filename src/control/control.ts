/**
 * How commands reach the one process that owns the data folder. A running gateway listens on a UNIX
 * socket in it; a command that finds nobody there takes the folder's lock and runs the same command
 * map on stores that it opens itself. One connection carries one request:
 *
 *   → {"command": "trace", "args": {...}}\n
 *   ← {"result": ...}\n  any number of times
 *   ← {"done": true}\n   or {"error": "...", "code": "..."}\n
 *
 * An answer without its last line is no answer. Who may open the socket may command: it lies in a
 * folder of mode 0700 and has mode 0600.
 */

/** Yields plain JSON, one value a result. Throws ControlError for a negative answer. */
export type ControlCommand = (args: unknown) => AsyncIterable<unknown>;

export type ControlCommands = ReadonlyMap<string, ControlCommand>;

export type ControlCode =
  /** What was asked about does not exist. */
  | "not-found"
  /** It exists, and may not be done. */
  | "refused"
  | "bad-request"
  | "unknown-command"
  /** A store is away. */
  | "unavailable"
  /** A bug on the other side; its log says more. */
  | "failed"
  /** No gateway listens. */
  | "not-running"
  /** Somebody else holds the data folder. */
  | "busy"
  /** The data folder belongs to another user. */
  | "denied"
  /** No answer in time, or one that ended early. */
  | "no-answer";

export class ControlError extends Error {
  readonly code: ControlCode;

  constructor(code: ControlCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ControlError";
    this.code = code;
  }
}

/** Where a command goes: over the socket, or to stores opened under the lock. */
export interface CommandPort {
  /** True when a running gateway answers. */
  readonly live: boolean;
  /** All results. Throws ControlError. */
  call(command: string, args: unknown): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

/** A request line: ids and search texts. */
export const MAX_REQUEST_BYTES: number = 64 * 1024;

export function controlPath(dataDir: string): string {
  return `${dataDir}/control.sock`;
}
