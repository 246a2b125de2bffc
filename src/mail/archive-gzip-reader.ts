import { createGunzip, type Gunzip } from "node:zlib";
import type { Clock } from "../base/clock.ts";
import type { ARCHIVE_LIMITS, ArchiveNote } from "./archive.ts";
import { decodeName, type EntryList } from "./archive-entry-list.ts";
import { PushParser, type PushReader, skip, take, takeUntilNul } from "./archive-push-parser.ts";
import { isTarHeader, TAR_BLOCK_BYTES } from "./archive-tar-header.ts";
import { readTar } from "./archive-tar-reader.ts";

const HEADER_BYTES = 10;
const HAS_EXTRA = 0x04;
const HAS_NAME = 0x08;
const NAME_BYTES_MAX = 4096;
/** A tar of one small file is mostly padding, so the ratio says nothing of the first octets. */
const RATIO_FROM_BYTES = 1024 * 1024;

export type ExpandLimits = Pick<
  { readonly [K in keyof typeof ARCHIVE_LIMITS]: number },
  "expandedBytes" | "ratio" | "milliseconds"
>;

/** Lists the name in a gzip header (RFC 1952 section 2.3), if there is one. */
export function* readGzipHeader(list: EntryList): PushReader {
  const header = yield* take(HEADER_BYTES);
  if (!header.isWhole) return list.note("truncated");
  const flags = header.octets[3] ?? 0;
  if (flags & HAS_EXTRA) {
    const size = yield* take(2);
    if (!size.isWhole || !(yield* skip(size.octets.readUInt16LE(0)))) return list.note("truncated");
  }
  if ((flags & HAS_NAME) === 0) return;
  const name = yield* takeUntilNul(NAME_BYTES_MAX);
  if (!name) list.note("malformed");
  else if (name.length > 0) addFile(list, [decodeName(name)]);
}

function addFile(list: EntryList, rawNames: readonly string[]): void {
  list.add({ rawNames, isFolder: false, isEncrypted: false, bytes: null });
}

/** Inflates only as far as needed to list a tar inside. Nothing of it is kept. */
export class TarInGzip {
  readonly #clock: Clock;
  readonly #limits: ExpandLimits;
  readonly #list: EntryList;
  readonly #gunzip: Gunzip;
  readonly #closed: Promise<void>;
  #tar: PushParser | null = null;
  #first: Buffer = Buffer.alloc(0);
  #isOver = false;
  #expanded = 0;
  #spentMs = 0;
  #startedMs = 0;

  constructor(clock: Clock, limits: ExpandLimits, list: EntryList) {
    this.#clock = clock;
    this.#limits = limits;
    this.#list = list;
    this.#gunzip = createGunzip();
    this.#closed = new Promise((resolve) => this.#gunzip.once("close", resolve));
    this.#gunzip.on("data", (octets: Buffer) => this.#take(octets));
    this.#gunzip.on("error", (error: NodeJS.ErrnoException) =>
      this.#stop(error.code === "Z_BUF_ERROR" ? "truncated" : "malformed"),
    );
  }

  /** Settles when the chunk is used up: it may be changed then. */
  async write(chunk: Buffer): Promise<void> {
    if (this.#isOver) return;
    this.#startedMs = this.#clock.monotonic();
    const written = new Promise<void>((resolve) => this.#gunzip.write(chunk, () => resolve()));
    await Promise.race([written, this.#closed]);
    this.#spentMs += this.#clock.monotonic() - this.#startedMs;
  }

  async end(): Promise<void> {
    if (!this.#isOver) {
      this.#startedMs = this.#clock.monotonic();
      this.#gunzip.end();
      // Not the end of writing: octets may still be on their way to `data`. Closes by itself.
      await this.#closed;
    }
    // Over by a limit or an error, the tar did not end: that note says enough.
    if (!this.#isOver) this.#tar?.end();
    if (!this.#tar && this.#list.isEmpty()) addFile(this.#list, []);
  }

  abort(): void {
    this.#stop(null);
  }

  #take(octets: Buffer): void {
    if (this.#isOver) return;
    this.#expanded += octets.length;
    const limit = this.#limitReached();
    if (limit) this.#stop(limit);
    else if (this.#tar) this.#tar.write(octets);
    else this.#takeFirst(octets);
    if (this.#tar?.isDone()) this.#stop(null);
  }

  #takeFirst(octets: Buffer): void {
    this.#first = Buffer.concat([this.#first, octets]);
    if (this.#first.length < TAR_BLOCK_BYTES) return;
    // Not a tar: what else it is would cost time and change nothing in the list.
    if (!isTarHeader(this.#first)) this.#stop(null);
    else {
      this.#tar = new PushParser(readTar(this.#list), () => this.#stop("limit-entries"));
      this.#tar.write(this.#first);
    }
    this.#first = Buffer.alloc(0);
  }

  #limitReached(): ArchiveNote | null {
    if (this.#expanded > this.#limits.expandedBytes) return "limit-bytes";
    const packed = this.#gunzip.bytesWritten;
    const isBomb = this.#expanded > this.#limits.ratio * packed;
    if (isBomb && this.#expanded > RATIO_FROM_BYTES) return "limit-ratio";
    // Only our own time counts: a slow client is not a bomb.
    const spentMs = this.#spentMs + this.#clock.monotonic() - this.#startedMs;
    return spentMs > this.#limits.milliseconds ? "limit-time" : null;
  }

  #stop(note: ArchiveNote | null): void {
    if (this.#isOver) return;
    if (note) this.#list.note(note);
    this.#isOver = true;
    this.#gunzip.destroy();
  }
}
