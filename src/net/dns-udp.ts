import { createSocket, type RemoteInfo } from "node:dgram";
import { isIPv6 } from "node:net";
import { type DnsMessage, type DnsQuery, readMessage } from "./dns-message.ts";
import type { DnsServerAddress } from "./dns-server-address.ts";
import { canonicalIp } from "./ip.ts";

/**
 * Datagrams that are no answer to us. They are ignored, because anybody may send them; but who
 * sends many is guessing the id, so the attempt is given up and the next has another port.
 */
const MAX_STRAYS = 20;

/**
 * One query over UDP, from a socket and a port of its own. Only a datagram from the server asked,
 * with our id and our question, is an answer. Rejects when the signal aborts.
 */
export function askUdp(
  server: DnsServerAddress,
  query: DnsQuery,
  signal: AbortSignal,
): Promise<DnsMessage> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = createSocket(isIPv6(server.host) ? "udp6" : "udp4");
    let strays = 0;
    let open = true;
    const finish = (settle: () => void) => {
      if (!open) return;
      open = false;
      signal.removeEventListener("abort", abort);
      socket.close();
      settle();
    };
    const fail = (error: unknown) => finish(() => reject(error));
    const abort = () => fail(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    socket.on("error", fail);
    socket.on("message", (bytes, from) => {
      const message = isFrom(server, from) ? readMessage(bytes, query) : null;
      if (message) return finish(() => resolve(message));
      strays += 1;
      if (strays > MAX_STRAYS) fail(new Error("too many forged answers"));
    });
    socket.on("connect", () => {
      if (open) socket.send(query.bytes);
    });
    // A connected socket takes no datagrams from others, and learns at once of a closed port. With
    // a callback, an error of connect would not come as an 'error'.
    socket.connect(server.port, server.host);
  });
}

function isFrom(server: DnsServerAddress, from: RemoteInfo): boolean {
  return from.port === server.port && canonicalIp(from.address) === canonicalIp(server.host);
}
