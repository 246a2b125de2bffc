import type { Socket } from "node:net";
import { ControlError, MAX_REQUEST_BYTES } from "./control.ts";

export interface Request {
  readonly command: string;
  readonly args: unknown;
}

/**
 * The first line, without its end; null when the other side leaves before. What follows the line is
 * not read. Throws ControlError when the line is too long.
 */
export async function readLine(socket: Socket): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop must not destroy the socket that the answer goes to.
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    const data = chunk as Buffer;
    const end = data.indexOf(0x0a);
    chunks.push(end === -1 ? data : data.subarray(0, end));
    bytes += data.length;
    if (end !== -1) return Buffer.concat(chunks).toString("utf8");
    if (bytes > MAX_REQUEST_BYTES) return Buffer.concat(chunks).toString("utf8");
  }
  return null;
}

/** Throws ControlError("bad-request") for anything but `{"command": "...", "args": ...}`. */
export function parseRequest(line: string): Request {
  if (Buffer.byteLength(line) > MAX_REQUEST_BYTES)
    throw new ControlError("bad-request", `a request has at most ${MAX_REQUEST_BYTES} octets`);
  const value = parseJson(line);
  if (typeof value !== "object" || value === null || !("command" in value))
    throw new ControlError("bad-request", "expected an object with a command");
  if (typeof value.command !== "string")
    throw new ControlError("bad-request", "expected the command to be a text");
  return { command: value.command, args: "args" in value ? value.args : {} };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new ControlError("bad-request", "expected one line of JSON");
  }
}
