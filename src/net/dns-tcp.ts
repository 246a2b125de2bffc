import { Unavailable } from "../base/errors.ts";
import { type DnsMessage, type DnsQuery, readMessage } from "./dns-message.ts";
import type { DnsServerAddress } from "./dns-server-address.ts";
import { connectTcp } from "./tcp.ts";

const LENGTH_BYTES = 2;

/**
 * One query over TCP (RFC 7766), for an answer that does not fit a datagram. The length field
 * bounds what is read to 64 KiB, and with it the longest TXT record there can be.
 * Rejects when the signal aborts, the connection ends early, or the answer is another's.
 */
export async function askTcp(
  server: DnsServerAddress,
  query: DnsQuery,
  signal: AbortSignal,
): Promise<DnsMessage> {
  const socket = await connectTcp(server, { signal, dependency: "dns" });
  const abort = () => socket.destroy(new Unavailable("dns", "gave up waiting"));
  signal.addEventListener("abort", abort, { once: true });
  try {
    socket.write(toFrame(query.bytes));
    const message = readMessage(await readFrame(socket), query);
    if (!message) throw new Unavailable("dns", "an answer over TCP that is not ours");
    return message;
  } finally {
    signal.removeEventListener("abort", abort);
    socket.on("error", () => {});
    socket.destroy();
  }
}

function toFrame(bytes: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Chunks are joined once, however small a hostile server makes them. */
async function readFrame(socket: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let received = 0;
  let end = Number.POSITIVE_INFINITY;
  for await (const chunk of socket) {
    chunks.push(chunk);
    received += chunk.length;
    if (received >= LENGTH_BYTES && end === Number.POSITIVE_INFINITY)
      end = LENGTH_BYTES + Buffer.concat(chunks).readUInt16BE(0);
    if (received >= end) return Buffer.concat(chunks).subarray(LENGTH_BYTES, end);
  }
  throw new Unavailable("dns", "the connection ended within the answer");
}
