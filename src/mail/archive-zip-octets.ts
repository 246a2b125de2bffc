import { ZIP_CENTRAL, ZIP_END, ZIP_LOCAL } from "./archive-zip-header.ts";
import type { Scratch, ScratchSpace } from "./scratch.ts";

const SIGNATURES = [ZIP_LOCAL, ZIP_CENTRAL, ZIP_END];
const SIGNATURE_BYTES = 4;
/** Headers are small and near each other: one read serves several. */
const WINDOW_BYTES = 16 * 1024;

/** A part's octets from the first that can belong to a zip. Places count from the part's start. */
export interface ZipOctets {
  readonly firstAt: number;
  readonly size: number;
  /** Fewer octets at the end; none before `firstAt`. */
  read(at: number, bytes: number): Promise<Buffer>;
}

/**
 * Keeps a part from its first zip signature on, wherever that is: a reader of zips looks from the
 * end, so anything may stand before. What has no signature costs a search and is not kept.
 */
export class ZipKeeper {
  readonly #space: ScratchSpace;
  #scratch: Scratch | null = null;
  #size = 0;
  #firstAt = 0;
  /** The last octets of the chunk before: a signature may lie across. */
  #tail: Buffer = Buffer.alloc(0);

  constructor(space: ScratchSpace) {
    this.#space = space;
  }

  async write(chunk: Buffer): Promise<void> {
    const before = this.#size;
    this.#size += chunk.length;
    if (this.#scratch) return this.#scratch.append(chunk);
    const seam = Buffer.concat([this.#tail, chunk.subarray(0, SIGNATURE_BYTES - 1)]);
    const inSeam = findZipSignature(seam);
    if (inSeam >= 0) {
      const fromTail = this.#tail.subarray(inSeam);
      this.#scratch = this.#space.create();
      this.#firstAt = before - fromTail.length;
      if (fromTail.length > 0) await this.#scratch.append(fromTail);
      return this.#scratch.append(chunk.subarray(Math.max(0, inSeam - this.#tail.length)));
    }
    const at = findZipSignature(chunk);
    if (at >= 0) {
      this.#scratch = this.#space.create();
      this.#firstAt = before + at;
      return this.#scratch.append(chunk.subarray(at));
    }
    this.#tail = Buffer.concat([this.#tail, chunk.subarray(1 - SIGNATURE_BYTES)]);
    this.#tail = this.#tail.subarray(1 - SIGNATURE_BYTES);
  }

  /** Null: nothing in it can be a zip. */
  async seal(): Promise<ZipOctets | null> {
    const scratch = this.#scratch;
    if (!scratch) return null;
    await scratch.seal();
    const firstAt = this.#firstAt;
    let window: { at: number; octets: Buffer } = { at: 0, octets: Buffer.alloc(0) };
    const read = async (at: number, bytes: number): Promise<Buffer> => {
      if (at < firstAt || at >= this.#size) return Buffer.alloc(0);
      const inWindow = at - window.at;
      if (inWindow >= 0 && inWindow + bytes <= window.octets.length)
        return window.octets.subarray(inWindow, inWindow + bytes);
      const octets = await scratch.readAt(at - firstAt, Math.max(bytes, WINDOW_BYTES));
      window = { at, octets };
      return octets.subarray(0, bytes);
    };
    return { firstAt, size: this.#size, read };
  }

  async free(): Promise<void> {
    await this.#scratch?.free();
  }
}

/** The place of the first local, central or end signature, or -1. */
function findZipSignature(octets: Buffer): number {
  let first = -1;
  for (const signature of SIGNATURES) {
    // What lies behind the best so far need not be searched.
    const within = first < 0 ? octets : octets.subarray(0, first + SIGNATURE_BYTES - 1);
    const at = within.indexOf(signature);
    if (at >= 0) first = at;
  }
  return first;
}
