import { randomBytes } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { errorText, Unavailable } from "../base/errors.ts";

const BLOCK_BYTES = 64 * 1024;
/** Most mail is small: its first block is too. */
const FIRST_BLOCK_BYTES = 16 * 1024;

export interface ScratchOptions {
  /** An existing folder. Files in it lose their name at once, so a crash leaves nothing behind. */
  readonly tempDir: string;
  /** What one holds in memory before it moves to a file. */
  readonly perItemBytes: number;
  /** What all together hold in memory. */
  readonly totalBytes: number;
  /** Told of octets that went through a file: each block is a Buffer that is soon garbage. */
  readonly onFileBytes?: (octets: number) => void;
}

/** Octets are appended one after the other, sealed, then read any number of times. */
export interface Scratch {
  size(): number;
  /** Copies the chunk. One at a time. Throws Unavailable("temporary files"). */
  append(chunk: Buffer): Promise<void>;
  /** No more comes. Needed once before `read`. */
  seal(): Promise<void>;
  /** From the start, in chunks of at most 64 KiB, which are the reader's to keep but not to change. */
  read(): AsyncGenerator<Buffer, void, undefined>;
  /** What `read` would yield, when it lies in memory. */
  inMemory(): readonly Buffer[] | null;
  /** At most `length` octets from a place on; fewer at the end. They are the reader's to keep. */
  readAt(position: number, length: number): Promise<Buffer>;
  /** Gives memory and file back. Reads under way fail. May be called twice. */
  free(): Promise<void>;
}

export interface ScratchSpace {
  create(): Scratch;
  memoryBytes(): number;
}

export function createScratchSpace(options: ScratchOptions): ScratchSpace {
  const budget: Budget = { used: 0, limit: options.totalBytes };
  return {
    create: () => new BlockScratch(options, budget),
    memoryBytes: () => budget.used,
  };
}

interface Budget {
  used: number;
  readonly limit: number;
}

class BlockScratch implements Scratch {
  readonly #options: ScratchOptions;
  readonly #budget: Budget;
  /** In memory: all octets, each block but the last full. In a file: the one block to be written. */
  #blocks: Buffer[] = [];
  #filled = 0;
  #held = 0;
  #file: FileHandle | null = null;
  #fileBytes = 0;
  #size = 0;
  #freed = false;

  constructor(options: ScratchOptions, budget: Budget) {
    this.#options = options;
    this.#budget = budget;
  }

  size(): number {
    return this.#size;
  }

  async append(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const room = this.#room() ?? this.#roomInMemory() ?? (await this.#roomInFile());
      const copied = chunk.copy(room, this.#filled, at);
      at += copied;
      this.#filled += copied;
      this.#size += copied;
    }
  }

  async seal(): Promise<void> {
    if (!this.#file) return;
    await this.#writeBlocks();
    this.#releaseBlocks();
  }

  async *read(): AsyncGenerator<Buffer, void, undefined> {
    if (this.#freed) throw new Error("scratch octets read after they were freed");
    if (this.#file) yield* this.#readFile(this.#file);
    else yield* this.#contents();
  }

  inMemory(): readonly Buffer[] | null {
    return this.#freed || this.#file ? null : this.#contents();
  }

  async readAt(position: number, length: number): Promise<Buffer> {
    if (this.#freed) throw new Error("scratch octets read after they were freed");
    const bytes = Math.max(0, Math.min(length, this.#size - position));
    const octets = Buffer.allocUnsafeSlow(bytes);
    if (this.#file) await readFully(this.#file, octets, position);
    else this.#copyBlocks(octets, position);
    return octets;
  }

  async free(): Promise<void> {
    this.#freed = true;
    this.#releaseBlocks();
    const file = this.#file;
    this.#file = null;
    // FileHandle.close waits for reads under way, so no read can meet a reused descriptor.
    if (file) await guarded(() => file.close());
  }

  #room(): Buffer | null {
    const block = this.#blocks.at(-1);
    return block && this.#filled < block.length ? block : null;
  }

  /** Another block, while there may be one. */
  #roomInMemory(): Buffer | null {
    if (this.#freed) throw new Error("scratch octets appended after they were freed");
    if (this.#file) return null;
    const next = this.#blocks.length === 0 ? FIRST_BLOCK_BYTES : BLOCK_BYTES;
    const bytes = Math.min(next, this.#options.perItemBytes - this.#held);
    const fits = bytes > 0 && this.#budget.used + bytes <= this.#budget.limit;
    return fits ? this.#addBlock(bytes) : null;
  }

  async #roomInFile(): Promise<Buffer> {
    this.#file ??= await guarded(() => openNameless(this.#options.tempDir));
    await this.#writeBlocks();
    if (this.#blocks.length !== 1 || this.#held !== BLOCK_BYTES) {
      this.#releaseBlocks();
      this.#addBlock(BLOCK_BYTES);
    }
    this.#filled = 0;
    return this.#blocks[0] ?? this.#addBlock(BLOCK_BYTES);
  }

  #addBlock(bytes: number): Buffer {
    // Not from the shared pool, whose slices would keep each other alive.
    const block = Buffer.allocUnsafeSlow(bytes);
    this.#blocks.push(block);
    this.#filled = 0;
    this.#held += bytes;
    this.#budget.used += bytes;
    return block;
  }

  #releaseBlocks(): void {
    this.#budget.used -= this.#held;
    this.#held = 0;
    this.#blocks = [];
    this.#filled = 0;
  }

  async #writeBlocks(): Promise<void> {
    const file = this.#file;
    if (!file) return;
    for (const octets of this.#contents()) {
      for (let at = 0; at < octets.length; ) {
        const { bytesWritten } = await guarded(() =>
          file.write(octets, at, octets.length - at, this.#fileBytes),
        );
        at += bytesWritten;
        this.#fileBytes += bytesWritten;
        this.#options.onFileBytes?.(bytesWritten);
      }
    }
  }

  #contents(): readonly Buffer[] {
    const last = this.#blocks.at(-1);
    if (!last) return [];
    return [...this.#blocks.slice(0, -1), last.subarray(0, this.#filled)];
  }

  #copyBlocks(to: Buffer, position: number): void {
    let start = 0;
    for (const octets of this.#contents()) {
      const from = Math.max(0, position - start);
      if (from < octets.length) octets.copy(to, Math.max(0, start - position), from);
      start += octets.length;
      if (start >= position + to.length) break;
    }
  }

  async *#readFile(file: FileHandle): AsyncGenerator<Buffer, void, undefined> {
    for (let at = 0; at < this.#fileBytes; ) {
      // A new buffer each time: a socket may still hold the one before.
      const buffer = Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES, this.#fileBytes - at));
      const { bytesRead } = await guarded(() => file.read(buffer, 0, buffer.length, at));
      if (bytesRead === 0) throw new Unavailable("temporary files", "a file became shorter");
      at += bytesRead;
      this.#options.onFileBytes?.(bytesRead);
      yield buffer.subarray(0, bytesRead);
    }
  }
}

async function readFully(file: FileHandle, to: Buffer, position: number): Promise<void> {
  for (let at = 0; at < to.length; ) {
    const { bytesRead } = await guarded(() => file.read(to, at, to.length - at, position + at));
    if (bytesRead === 0) throw new Unavailable("temporary files", "a file became shorter");
    at += bytesRead;
  }
}

async function openNameless(folder: string): Promise<FileHandle> {
  const path = join(folder, `scratch-${randomBytes(16).toString("hex")}`);
  const file = await open(path, "wx+", 0o600);
  try {
    await unlink(path);
  } catch (error) {
    await file.close();
    throw error;
  }
  return file;
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Unavailable("temporary files", errorText(error), { cause: error });
  }
}
