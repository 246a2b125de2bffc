import { once } from "node:events";
import { chmod, lstat, mkdir, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import type { Clock } from "../base/clock.ts";
import { errorText, Unavailable } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { type ControlCode, type ControlCommands, ControlError } from "./control.ts";
import { parseRequest, type Request, readLine } from "./control-request.ts";

/** Operators at work, not a service: more at once is a script gone wild. */
const MAX_CONNECTIONS = 32;
/** Nothing read and nothing written for so long: the other side is stopped or dead. */
const IDLE_MS = 60_000;
/** Linux keeps 108 octets for the path of a UNIX socket, its NUL included. */
const MAX_PATH_BYTES = 107;

export interface ControlServerOptions {
  readonly path: string;
  readonly commands: ControlCommands;
  readonly log: Log;
  readonly clock: Clock;
}

export interface ControlServer {
  /** Takes no more connections and ends those that are open. */
  close(): Promise<void>;
}

/**
 * Listens when it resolves. Call it only while holding the data folder's lock: a socket that a dead
 * process left behind is replaced.
 */
export async function createControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { path } = options;
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw new Error(`the path of the control socket has over ${MAX_PATH_BYTES} octets: ${path}`);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await removeStale(path);
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    void converse(socket, options);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, path);
  await chmod(path, 0o600);
  return {
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  if (!found) return;
  if (!found.isSocket()) throw new Error(`${path} is in the way: it is no socket`);
  await rm(path, { force: true });
}

async function listen(server: Server, path: string): Promise<void> {
  server.listen(path);
  await once(server, "listening");
}

/** One request and its answer. Never rejects. */
async function converse(socket: Socket, options: ControlServerOptions): Promise<void> {
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  // Without a listener a client that leaves would end the process.
  socket.on("error", () => {});
  try {
    const line = await readLine(socket);
    if (line === null) return;
    await answer(socket, line, options);
    socket.end();
  } catch {
    socket.destroy();
  }
}

async function answer(
  socket: Socket,
  line: string,
  { commands, log, clock }: ControlServerOptions,
): Promise<void> {
  const started = clock.monotonic();
  let command = "";
  let code: ControlCode | null = null;
  try {
    const request = parseRequest(line);
    command = request.command;
    await run(socket, request, commands);
    await send(socket, { done: true });
  } catch (error) {
    code = codeOf(error);
    if (code === "failed") log.error("control-command-failed", { command, error: stackOf(error) });
    await send(socket, { error: errorText(error), code });
  } finally {
    const ms = Math.round(clock.monotonic() - started);
    log.info("control-command", { command, ms, ...(code && { code }) });
  }
}

async function run(socket: Socket, request: Request, commands: ControlCommands): Promise<void> {
  const command = commands.get(request.command);
  if (!command) throw new ControlError("unknown-command", "this gateway knows no such command");
  for await (const result of command(request.args)) await send(socket, { result });
}

/** Back-pressure: a client that does not read holds up its own answer only. */
async function send(socket: Socket, message: unknown): Promise<void> {
  if (socket.destroyed) throw new Error("the client has left");
  if (socket.write(`${JSON.stringify(message)}\n`)) return;
  await new Promise<void>((resolve) => {
    const go = () => {
      socket.off("drain", go);
      socket.off("close", go);
      resolve();
    };
    socket.on("drain", go);
    socket.on("close", go);
  });
}

function codeOf(error: unknown): ControlCode {
  if (error instanceof ControlError) return error.code;
  return error instanceof Unavailable ? "unavailable" : "failed";
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
