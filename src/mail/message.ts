import type { HeaderBlock } from "./header-block.ts";

/** Bytes that can be read any number of times, each time from the start. */
export interface MessageSource {
  /** Octets that `read` yields. */
  readonly size: number;
  /** Chunks of at most 64 KiB. Ending the iteration early frees whatever it held. */
  read(): AsyncIterable<Buffer>;
  /**
   * The same octets at once where they lie in memory: each chunk of `read` costs some turns of the
   * microtask queue, which for a small message is more than its octets cost. Null or absent: read.
   */
  inMemory?(): readonly Buffer[] | null;
}

/**
 * A message at rest: small ones in memory, others in a temporary file that has no name, so that a
 * crash leaves nothing behind. Immutable. Whoever got it from `finish` disposes of it, once.
 */
export interface Message extends MessageSource {
  /** Lower-case hex of the whole message as received, dot-unstuffed. */
  readonly sha256: string;
  readonly headers: HeaderBlock;
  /** Octets from the start to the first octet of the body. */
  readonly bodyOffset: number;
  /** An octet above 127 in the header block (needs SMTPUTF8) or in the body (needs 8BITMIME). */
  readonly has8bitHeader: boolean;
  readonly has8bitBody: boolean;
  dispose(): Promise<void>;
}

/** A message while it arrives. Back-pressure: await each write. One of finish and abort, once. */
export interface MessageDraft {
  write(chunk: Buffer): Promise<void>;
  finish(): Promise<Message>;
  abort(): Promise<void>;
}

export interface MessageStore {
  /** Throws Unavailable("temporary files") from write or finish when the disk fails. */
  draft(): MessageDraft;
  /** Octets held in memory by all drafts and messages together. */
  memoryBytes(): number;
}
