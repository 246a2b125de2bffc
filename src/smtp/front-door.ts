import type { Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import { canonicalIp, prefixKey } from "../net/ip.ts";
import type { ConnectionCounters, ConnectionCounts } from "./connection-counters.ts";
import { closing } from "./protocol-replies.ts";
import { formatReply } from "./reply.ts";
import type { ListenerFacts } from "./session-handler.ts";
import type { Arrival } from "./session-host.ts";
import type { SmtpLimits } from "./smtp-limits.ts";
import type { SmtpMetrics } from "./smtp-metrics.ts";

/** A refused client gets this long to fetch its 421. */
const REFUSAL_LINGER_MS = 1000;
/** When more are lingering, the next are cut off without a word: descriptors are for mail. */
const MAX_LINGERING = 256;
const NOTHING = Buffer.alloc(0);

export interface FrontDoorOptions {
  readonly listener: ListenerFacts;
  readonly limits: () => Pick<SmtpLimits, "connections">;
  readonly clock: Clock;
  readonly counters: ConnectionCounters;
  readonly metrics: Pick<SmtpMetrics, "connections">;
  /** Takes whom the door lets in, and calls `leave` once his socket is closed. */
  readonly admit: (arrival: Arrival, leave: () => void) => void;
}

export interface FrontDoor {
  receive(socket: Socket): void;
  /** Cuts off who is still being told to go away. */
  close(): void;
}

type Outcome = "accepted" | "too-many" | "too-many-of-client" | "too-fast";

/**
 * Counts a connection and refuses the surplus before anything else is done for it: no handler, no
 * TLS, no buffer (threats.md R2).
 */
export function createFrontDoor(options: FrontDoorOptions): FrontDoor {
  const { listener, clock, counters, metrics } = options;
  const lingering = new Set<Socket>();
  const refusal = `${formatReply(closing(listener.hostname, "too-many-connections"))}\r\n`;

  const refuse = (socket: Socket) => {
    if (lingering.size >= MAX_LINGERING) {
      socket.destroy();
      return;
    }
    lingering.add(socket);
    const cancel = clock.after(REFUSAL_LINGER_MS, () => socket.destroy());
    socket.once("close", () => {
      cancel();
      lingering.delete(socket);
    });
    socket.end(refusal);
    // Without reading, the client's end would go unnoticed.
    socket.resume();
  };

  return {
    receive(socket) {
      // A reset between here and the session must not end the process.
      socket.on("error", () => socket.destroy());
      const ip = canonicalIp(socket.remoteAddress ?? "");
      if (ip === null) {
        socket.destroy();
        return;
      }
      const client = prefixKey(ip);
      const counts = counters.enter(client);
      const leave = () => counters.leave(client);
      const outcome = judge(counts, options.limits().connections);
      metrics.connections.add({ listener: listener.name, outcome });
      if (outcome === "accepted") {
        const port = socket.remotePort ?? 0;
        options.admit({ socket, client: { ip, port, listener }, head: NOTHING }, leave);
      } else {
        // Who is told to go takes no place while he lingers: one client could fill them all.
        leave();
        refuse(socket);
      }
    },
    close() {
      for (const socket of lingering) socket.destroy();
    },
  };
}

function judge(counts: ConnectionCounts, limits: SmtpLimits["connections"]): Outcome {
  if (counts.all > limits.max) return "too-many";
  if (counts.ofClient > limits.perClient) return "too-many-of-client";
  if (counts.newOfClientThisMinute > limits.newPerClientPerMinute) return "too-fast";
  return "accepted";
}
