import { isAscii } from "node:buffer";
import { createHash } from "node:crypto";
import { parseHeaderBlock } from "./header-block.ts";
import { createHeaderCollector } from "./header-collector.ts";
import type { Message, MessageDraft, MessageStore } from "./message.ts";
import { createScratchSpace, type Scratch, type ScratchOptions } from "./scratch.ts";

/** behaviour.md section 5: messages kept in memory, one and all together. */
const MESSAGE_MEMORY_BYTES: number = 1024 * 1024;
const ALL_MEMORY_BYTES: number = 256 * 1024 * 1024;

export interface MessageStoreOptions {
  /** An existing folder for messages that do not stay in memory. */
  readonly tempDir: string;
  readonly perMessageBytes?: number;
  readonly totalBytes?: number;
  /** See ScratchOptions. */
  readonly onFileBytes?: ScratchOptions["onFileBytes"];
}

/**
 * Hash, header and 8-bit facts are gathered while the message streams by, so `finish` reads
 * nothing again. A draft whose write threw must be aborted.
 */
export function createMessageStore(options: MessageStoreOptions): MessageStore {
  const { tempDir, onFileBytes } = options;
  const space = createScratchSpace({
    tempDir,
    perItemBytes: options.perMessageBytes ?? MESSAGE_MEMORY_BYTES,
    totalBytes: options.totalBytes ?? ALL_MEMORY_BYTES,
    ...(onFileBytes && { onFileBytes }),
  });
  return {
    draft: () => createDraft(space.create()),
    memoryBytes: () => space.memoryBytes(),
  };
}

function createDraft(scratch: Scratch): MessageDraft {
  const hash = createHash("sha256");
  const header = createHeaderCollector();
  let has8bitBody = false;
  return {
    async write(chunk) {
      hash.update(chunk);
      const body = chunk.subarray(header.write(chunk));
      has8bitBody ||= !isAscii(body);
      await scratch.append(chunk);
    },
    async finish() {
      await scratch.seal();
      const headerBytes = header.bytes();
      return toMessage(scratch, {
        sha256: hash.digest("hex"),
        headers: parseHeaderBlock(headerBytes),
        bodyOffset: headerBytes.length,
        has8bitHeader: !isAscii(headerBytes),
        has8bitBody,
      });
    },
    abort: () => scratch.free(),
  };
}

type Gathered = Pick<
  Message,
  "sha256" | "headers" | "bodyOffset" | "has8bitHeader" | "has8bitBody"
>;

function toMessage(scratch: Scratch, gathered: Gathered): Message {
  return {
    ...gathered,
    size: scratch.size(),
    read: () => scratch.read(),
    inMemory: () => scratch.inMemory(),
    dispose: () => scratch.free(),
  };
}
