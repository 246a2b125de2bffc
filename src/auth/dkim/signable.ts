import { type HeaderBlock, parseHeaderBlock } from "../../mail/header-block.ts";
import { createHeaderCollector } from "../../mail/header-collector.ts";
import type { MessageSource } from "../../mail/message.ts";
import { createBodyHashes } from "./body-hash.ts";

/** What a signature is made over. */
export interface Signable {
  readonly headers: HeaderBlock;
  /** SHA-256 of the body in its relaxed form. */
  readonly bodyHash: Buffer;
}

/**
 * Reads a message once, chunk by chunk, and keeps its header section alone; not even the body is read
 * when its hash is known. Throws what the source throws, and RangeError for a header too large to keep.
 */
export async function readSignable(
  source: MessageSource,
  knownBody: Buffer | null,
): Promise<Signable> {
  const collector = createHeaderCollector();
  const bodies = createBodyHashes(new Set(["relaxed"] as const));
  for await (const chunk of source.read()) {
    const taken = collector.write(chunk);
    if (!collector.ended()) continue;
    if (knownBody) break;
    bodies.write(chunk.subarray(taken));
  }
  const bodyHash = knownBody ?? bodies.end().get("relaxed")?.hash;
  if (!bodyHash) throw new Error("a body that nobody hashed");
  return { headers: parseHeaderBlock(collector.bytes()), bodyHash };
}

/** The message with more header fields, whole and with their line ends, above everything else. */
export function withFieldsOnTop(source: MessageSource, fields: string): MessageSource {
  const top = Buffer.from(fields, "latin1");
  return {
    size: top.length + source.size,
    async *read() {
      yield top;
      yield* source.read();
    },
  };
}
