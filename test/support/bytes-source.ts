import type { MessageSource } from "../../src/mail/message.ts";

/** A message in memory, in chunks of `chunkBytes`. */
export function toBytesSource(bytes: Buffer | string, chunkBytes = 65_536): MessageSource {
  const buffer = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
  return {
    size: buffer.length,
    async *read() {
      for (let at = 0; at < buffer.length; at += chunkBytes) {
        yield buffer.subarray(at, at + chunkBytes);
      }
    },
  };
}

/** All octets of a source. */
export async function readAll(source: MessageSource): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source.read()) chunks.push(chunk);
  return Buffer.concat(chunks);
}
