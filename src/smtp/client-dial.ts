import { connect, isIP, type Socket } from "node:net";
import type { Clock, Deadline } from "../base/clock.ts";
import { startDeadline } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";

export type Dialled =
  | { readonly kind: "open"; readonly socket: Socket }
  | { readonly kind: "failed"; readonly reason: string };

export interface DialOrder {
  readonly addresses: readonly string[];
  readonly port: number;
  /** Of ours, at most one a family; none: the system chooses. */
  readonly localAddresses: readonly string[];
  readonly limitMs: number;
}

interface Way {
  readonly address: string;
  readonly localAddress: string | undefined;
}

/**
 * TCP to the first address that answers, in order; all of them share one limit. Never throws.
 * Whoever gets the socket owns it.
 */
export async function dial(order: DialOrder, clock: Clock, signal: AbortSignal): Promise<Dialled> {
  const { port, limitMs } = order;
  const ways = waysOf(order);
  const deadline = startDeadline(clock, limitMs, signal);
  const reasons: string[] = [];
  try {
    for (const [tried, way] of ways.entries()) {
      const { address } = way;
      const share = startDeadline(clock, limitMs / (ways.length - tried), deadline.signal);
      try {
        return { kind: "open", socket: await open(way, port, share) };
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
  const none = order.addresses.length === 0 ? "the name has no address" : NO_FAMILY;
  return { kind: "failed", reason: reasons.join("; ") || none };
}

const NO_FAMILY = "it has no address of the family of our source address";

function waysOf({ addresses, localAddresses }: DialOrder): readonly Way[] {
  return addresses.flatMap((address): readonly Way[] => {
    const localAddress = localAddresses.find((own) => isIP(own) === isIP(address));
    const isReachable = localAddresses.length === 0 || localAddress !== undefined;
    return isReachable ? [{ address, localAddress }] : [];
  });
}

function open({ address, localAddress }: Way, port: number, deadline: Deadline): Promise<Socket> {
  const { signal } = deadline;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = connect({
      host: address,
      port,
      noDelay: true,
      ...(localAddress !== undefined && { localAddress }),
    });
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
