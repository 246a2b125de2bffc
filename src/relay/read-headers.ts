import type { MessageSource } from "../mail/message.ts";

/** More headers than this nobody needs to know his own message again. */
export const MAX_HEADER_BYTES: number = 64 * 1024;

/**
 * The header section of a message, without the empty line; its first 64 KiB when it is longer.
 * Throws what the source throws.
 */
export async function readHeaders(source: MessageSource): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source.read()) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= MAX_HEADER_BYTES) break;
  }
  const head = Buffer.concat(chunks).subarray(0, MAX_HEADER_BYTES);
  if (head.subarray(0, 2).toString("latin1") === "\r\n") return head.subarray(0, 0);
  const end = head.indexOf("\r\n\r\n");
  return end < 0 ? head : head.subarray(0, end + 2);
}
