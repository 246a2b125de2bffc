import { type HeaderBlock, parseHeaderBlock } from "../../mail/header-block.ts";
import { createHeaderCollector } from "../../mail/header-collector.ts";
import type { BodyHashes } from "./body-hash.ts";

/** What a header section says of how its body must be hashed; null: not at all. */
interface Hashing {
  readonly bodies: BodyHashes | null;
}

/** A message that streams by: its header section is kept, its body hashed. */
export interface MessageReading<Head extends Hashing> {
  /** Throws RangeError for a header that is too large to keep. */
  write(chunk: Buffer): void;
  /** Of a message without a body too; to be called after the last `write`. */
  head(): Head;
}

/** `readHead` is called once, when the header section is whole. */
export function createMessageReading<Head extends Hashing>(
  readHead: (headers: HeaderBlock) => Head,
): MessageReading<Head> {
  const collector = createHeaderCollector();
  let known: Head | null = null;
  const head = () => {
    known ??= readHead(parseHeaderBlock(collector.bytes()));
    return known;
  };
  return {
    write(chunk) {
      const taken = collector.write(chunk);
      if (collector.ended()) head().bodies?.write(chunk.subarray(taken));
    },
    head,
  };
}
