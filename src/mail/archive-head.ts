import type { ArchiveKind } from "./archive.ts";
import { readAce } from "./archive-ace.ts";
import { readArj } from "./archive-arj.ts";
import { readCab } from "./archive-cab.ts";
import type { EntryList } from "./archive-entry-list.ts";
import { readGzipHeader, type TarInGzip } from "./archive-gzip-reader.ts";
import {
  ARCHIVE_HEAD_BYTES,
  findEmbedded,
  type HeadFormat,
  headFormatOf,
  RAR5_MARKER,
} from "./archive-kind.ts";
import { PushParser, type PushReader } from "./archive-push-parser.ts";
import { readRar4 } from "./archive-rar4.ts";
import { readRar5 } from "./archive-rar5.ts";
import { readTar } from "./archive-tar-reader.ts";

/** 7-Zip looks for a start within the first 8 MiB, RAR within less. */
const EMBEDDED_SEARCH_BYTES = 8 * 1024 * 1024;

/** Knows an archive by its first octets and lists it as the rest streams by. */
export class ArchiveHead {
  readonly #list: EntryList;
  readonly #expand: () => TarInGzip;
  #head: Buffer | null = Buffer.alloc(0);
  #format: HeadFormat | null = null;
  #parser: PushParser | null = null;
  #gzip: TarInGzip | null = null;
  #searched = 0;
  #tail: Buffer = Buffer.alloc(0);

  constructor(list: EntryList, expand: () => TarInGzip) {
    this.#list = list;
    this.#expand = expand;
  }

  async write(chunk: Buffer): Promise<void> {
    if (this.#head === null) return this.#feed(chunk);
    const head = Buffer.concat([this.#head, chunk.subarray(0, ARCHIVE_HEAD_BYTES)]);
    this.#head = head;
    if (head.length < ARCHIVE_HEAD_BYTES) return;
    const rest = chunk.subarray(ARCHIVE_HEAD_BYTES);
    await this.#recognise(head);
    await this.#feed(rest);
  }

  async end(): Promise<ArchiveKind | null> {
    if (this.#head !== null) await this.#recognise(this.#head);
    this.#parser?.end();
    await this.#gzip?.end();
    return this.#format && kindOf(this.#format);
  }

  abort(): void {
    this.#gzip?.abort();
  }

  async #recognise(head: Buffer): Promise<void> {
    this.#head = null;
    this.#format = headFormatOf(head);
    if (this.#format) this.#start(this.#format);
    await this.#feed(head);
  }

  #start(format: HeadFormat): void {
    const read = readerOf(format);
    if (read) this.#parser = parse(read, this.#list);
    else this.#list.note("not-listable");
    if (format === "gzip") this.#gzip = this.#expand();
  }

  async #feed(chunk: Buffer): Promise<void> {
    if (!this.#format) return this.#search(chunk);
    this.#parser?.write(chunk);
    await this.#gzip?.write(chunk);
  }

  #search(chunk: Buffer): void {
    if (this.#searched >= EMBEDDED_SEARCH_BYTES) return;
    this.#searched += chunk.length;
    const seam = RAR5_MARKER.length - 1;
    const across = Buffer.concat([this.#tail, chunk.subarray(0, seam)]);
    this.#tail = Buffer.concat([this.#tail, chunk.subarray(-seam)]).subarray(-seam);
    const inSeam = findEmbedded(across);
    const found = inSeam ?? findEmbedded(chunk);
    if (!found) return;
    this.#format = found.format;
    this.#list.note("data-before");
    this.#start(found.format);
    if (inSeam) this.#parser?.write(across.subarray(found.at));
    this.#parser?.write(chunk.subarray(inSeam ? seam : found.at));
  }
}

function parse(read: (list: EntryList) => PushReader, list: EntryList): PushParser {
  return new PushParser(read(list), () => list.note("limit-entries"));
}

function readerOf(format: HeadFormat): ((list: EntryList) => PushReader) | null {
  switch (format) {
    case "tar":
      return readTar;
    case "gzip":
      return readGzipHeader;
    case "rar4":
      return readRar4;
    case "rar5":
      return readRar5;
    case "cab":
      return readCab;
    case "arj":
      return readArj;
    case "ace":
      return readAce;
    default:
      return null;
  }
}

function kindOf(format: HeadFormat): ArchiveKind {
  return format === "rar4" || format === "rar5" ? "rar" : format;
}
