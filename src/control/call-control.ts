import { connect, type Socket } from "node:net";
import { type Clock, startDeadline } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import { type ControlCode, ControlError } from "./control.ts";
import type { Request } from "./control-request.ts";

/** An answer beyond this is taken for a fault. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

export interface CallOptions {
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/**
 * Asks the gateway that listens at `path`; gives all results. Throws ControlError: what the gateway
 * answered, `not-running` when nobody listens, `no-answer` when the answer is late or cut off.
 */
export async function callControl(
  path: string,
  request: Request,
  { timeoutMs, clock }: CallOptions,
): Promise<readonly unknown[]> {
  const deadline = startDeadline(clock, timeoutMs);
  const socket = connect(path);
  const stop = () => socket.destroy(new ControlError("no-answer", deadlineText(timeoutMs)));
  deadline.signal.addEventListener("abort", stop, { once: true });
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    return await readAnswer(socket);
  } catch (error) {
    throw toControlError(error);
  } finally {
    deadline.clear();
    socket.destroy();
  }
}

/** Whether somebody listens there. */
export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function readAnswer(socket: Socket): Promise<readonly unknown[]> {
  const results: unknown[] = [];
  let rest: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of socket) {
    let data = chunk as Buffer;
    bytes += data.length;
    if (bytes > MAX_ANSWER_BYTES) throw new ControlError("no-answer", "the answer is too large");
    for (let end = data.indexOf(0x0a); end !== -1; end = data.indexOf(0x0a)) {
      const line = Buffer.concat([...rest, data.subarray(0, end)]).toString("utf8");
      rest = [];
      data = data.subarray(end + 1);
      const message = parseMessage(line);
      if ("done" in message) return results;
      if ("error" in message) throw new ControlError(message.code, message.error);
      results.push(message.result);
    }
    if (data.length > 0) rest.push(data);
  }
  throw new ControlError("no-answer", "the gateway ended before its answer was whole");
}

type Message =
  | { readonly result: unknown }
  | { readonly done: true }
  | { readonly error: string; readonly code: ControlCode };

/** The other side is our own program, of whatever version. */
function parseMessage(line: string): Message {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null) return value as Message;
  } catch {
    // As any other line that is none of ours.
  }
  throw new ControlError("no-answer", "the answer is not in the form of the control socket");
}

const NOBODY: ReadonlySet<string> = new Set(["ENOENT", "ECONNREFUSED", "ENOTDIR"]);

function toControlError(error: unknown): ControlError {
  if (error instanceof ControlError) return error;
  const errno = error instanceof Error && "code" in error ? String(error.code) : "";
  const code = NOBODY.has(errno) ? "not-running" : "no-answer";
  return new ControlError(code, errorText(error), { cause: error });
}

function deadlineText(timeoutMs: number): string {
  return `the gateway did not answer within ${Math.round(timeoutMs / 1000)} s`;
}
