import { connect, type Socket } from "node:net";
import type { Clock, Deadline } from "../base/clock.ts";
import { startDeadline } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";

export type Dialled =
  | { readonly kind: "open"; readonly socket: Socket }
  | { readonly kind: "failed"; readonly reason: string };

/**
 * TCP to the first address that answers, in order; all of them share one limit. Never throws.
 * Whoever gets the socket owns it.
 */
export async function dial(
  addresses: readonly string[],
  port: number,
  limitMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Dialled> {
  const deadline = startDeadline(clock, limitMs, signal);
  const reasons: string[] = [];
  try {
    for (const [tried, address] of addresses.entries()) {
      const share = startDeadline(clock, limitMs / (addresses.length - tried), deadline.signal);
      try {
        return { kind: "open", socket: await open(address, port, share) };
      } catch (error) {
        reasons.push(`${address}: ${errorText(error)}`);
      } finally {
        share.clear();
      }
      if (deadline.signal.aborted) break;
    }
  } finally {
    deadline.clear();
  }
  return { kind: "failed", reason: reasons.join("; ") || "the name has no address" };
}

function open(address: string, port: number, deadline: Deadline): Promise<Socket> {
  const { signal } = deadline;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = connect({ host: address, port, noDelay: true });
    const abort = () => fail(signal.reason);
    const fail = (error: unknown) => {
      release();
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const release = () => {
      signal.removeEventListener("abort", abort);
      socket.removeListener("error", fail);
    };
    signal.addEventListener("abort", abort, { once: true });
    socket.once("error", fail);
    socket.once("connect", () => {
      release();
      resolve(socket);
    });
  });
}
