import { connect, isIP, type Socket } from "node:net";
import { errorText, Unavailable } from "../base/errors.ts";
import { createLookupScope, type Resolver } from "./resolver.ts";

export type TcpTarget =
  | { readonly host: string; readonly port: number }
  /** A UNIX socket. */
  | { readonly path: string };

export interface ConnectOptions {
  readonly signal: AbortSignal;
  /** What is away when this fails, in an operator's word. Default: the target. */
  readonly dependency?: string;
  /** Looks up a host that is a name. Without it only addresses can be reached. */
  readonly resolver?: Resolver;
}

/**
 * A connected socket without Nagle's delay; the caller listens for its 'error' from now on. The time limit is the signal's; it governs the
 * connecting only, not the life of the socket. A name is tried address by address, IPv4 first.
 * @throws Unavailable
 */
export async function connectTcp(target: TcpTarget, options: ConnectOptions): Promise<Socket> {
  const dependency = options.dependency ?? describeTarget(target);
  if ("path" in target) return open({ path: target.path }, dependency, options.signal);
  const hosts = await lookUpAddresses(target.host, dependency, options);
  let failure: unknown;
  for (const host of hosts) {
    try {
      return await open({ host, port: target.port }, dependency, options.signal);
    } catch (error) {
      failure = error;
      if (options.signal.aborted) break;
    }
  }
  throw failure;
}

/** `host:port`, `[::1]:port` or `unix:/path`. */
function describeTarget(target: TcpTarget): string {
  if ("path" in target) return `unix:${target.path}`;
  return `${isIP(target.host) === 6 ? `[${target.host}]` : target.host}:${target.port}`;
}

/** The address itself, or those of a name: IPv4 first. @throws Unavailable */
export async function lookUpAddresses(
  host: string,
  dependency: string,
  { resolver, signal }: ConnectOptions,
): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  if (!resolver) throw new Unavailable(dependency, `${host} is a name, and no resolver was given`);
  const scope = createLookupScope(signal);
  const answers = await Promise.all([
    resolver.lookup(host, "A", scope),
    resolver.lookup(host, "AAAA", scope),
  ]);
  const found = answers.flatMap((answer) => (answer.kind === "found" ? answer.records : []));
  if (found.length > 0) return found;
  const reasons = answers.map((answer) => (answer.kind === "found" ? "" : answer.reason));
  throw new Unavailable(dependency, `${host} has no address: ${reasons.join(", ")}`);
}

function open(
  target: TcpTarget & object,
  dependency: string,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      signal.removeEventListener("abort", abort);
      socket.destroy();
      reject(new Unavailable(dependency, errorText(error), { cause: error }));
    };
    const abort = () => fail(signal.reason);
    const socket = connect({ ...target, noDelay: true });
    // Stays after a failure: an 'error' without a listener would end the process.
    socket.on("error", fail);
    socket.once("connect", () => {
      signal.removeEventListener("abort", abort);
      socket.off("error", fail);
      resolve(socket);
    });
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}
