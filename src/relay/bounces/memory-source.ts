import type { MessageSource } from "../../mail/message.ts";

const CHUNK_BYTES = 65_536;

/** A message of ours, made in memory. */
export function toMemorySource(bytes: Buffer): MessageSource {
  return {
    size: bytes.length,
    async *read() {
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
        yield bytes.subarray(at, at + CHUNK_BYTES);
      }
    },
  };
}
