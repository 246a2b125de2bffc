import { createHash } from "node:crypto";
import { Unavailable } from "../base/errors.ts";
import type { MessageSource } from "../mail/message.ts";
import {
  CorruptEntry,
  type Entry,
  type EntryHeader,
  type Left,
  MAX_HEADER_BYTES,
  MAX_RECORDS_BYTES,
  parseEntry,
  parseHeader,
  parseHistory,
  toRecord,
} from "./entry-format.ts";
import type { SpoolFile, SpoolIo } from "./spool-io.ts";

const CHUNK_BYTES = 65_536;
const LF = 10;

/** Writes a whole entry, fsynced, and removes it again when that fails. */
export async function writeEntry(
  io: SpoolIo,
  path: string,
  header: EntryHeader,
  source: MessageSource,
): Promise<Entry> {
  const file = await io.create(path);
  try {
    const entry = await fillEntry(file, header, source);
    await file.sync();
    await file.close();
    return entry;
  } catch (error) {
    await file.close().catch(() => {});
    await io.remove(path).catch(() => {});
    throw error;
  }
}

async function fillEntry(
  file: SpoolFile,
  header: EntryHeader,
  source: MessageSource,
): Promise<Entry> {
  const head = toRecord(header);
  const digest = createHash("sha256");
  let waiting: Buffer[] = [head];
  let waitingBytes = head.length;
  let written = 0;
  const flush = async () => {
    await file.write(Buffer.concat(waiting), written);
    written += waitingBytes;
    waiting = [];
    waitingBytes = 0;
  };
  const push = (octets: Buffer) => {
    waiting.push(octets);
    waitingBytes += octets.length;
  };
  for await (const chunk of source.read()) {
    digest.update(chunk);
    push(chunk);
    if (waitingBytes >= CHUNK_BYTES) await flush();
  }
  const bytes = written + waitingBytes - head.length;
  if (bytes !== header.bytes) throw new Error(`${bytes} octets came instead of ${header.bytes}`);
  const seal = toRecord({ sha256: digest.digest("hex") });
  push(seal);
  await flush();
  return parseEntry(header, head.length, seal);
}

/** Appends what an attempt left, fsynced. Cuts off what a crash or a full disk left half-written. */
export async function appendLeft(
  io: SpoolIo,
  path: string,
  entry: Entry,
  left: Left,
): Promise<number> {
  const record = toRecord(left);
  const file = await io.open(path, "change");
  try {
    await file.truncate(entry.end);
    await file.write(record, entry.end);
    await file.sync();
  } finally {
    await file.close();
  }
  return entry.end + record.length;
}

/** Header and records, without the message between them. Throws CorruptEntry. */
export async function readEntry(io: SpoolIo, path: string, id: string): Promise<Entry> {
  const { header, offset, tail, skipped } = await readAround(io, path, id);
  return parseEntry(header, offset, tail, skipped);
}

/** The same, and what was noted after each attempt. Throws CorruptEntry. */
export async function readEntryHistory(
  io: SpoolIo,
  path: string,
  id: string,
): Promise<{ readonly entry: Entry; readonly history: readonly Left[] }> {
  const { header, offset, tail, skipped } = await readAround(io, path, id);
  return { entry: parseEntry(header, offset, tail, skipped), history: parseHistory(tail) };
}

interface Around {
  readonly header: EntryHeader;
  readonly offset: number;
  readonly tail: Buffer;
  readonly skipped: number;
}

async function readAround(io: SpoolIo, path: string, id: string): Promise<Around> {
  const { head, size } = await io.peek(path, CHUNK_BYTES);
  const parsed = parseHeader(head) ?? (await readLongHeader(io, path));
  const { header, offset } = parsed;
  if (header.id !== id) throw new CorruptEntry(`is the entry ${header.id}`);
  const tailAt = offset + header.bytes;
  if (!(size > tailAt)) throw new CorruptEntry("cut before its seal");
  if (head.length === size) return { header, offset, tail: head.subarray(tailAt), skipped: 0 };
  return { header, offset, ...(await readTail(io, path, tailAt, size - tailAt)) };
}

async function readLongHeader(
  io: SpoolIo,
  path: string,
): Promise<{ header: EntryHeader; offset: number }> {
  const { head } = await io.peek(path, MAX_HEADER_BYTES);
  const parsed = parseHeader(head);
  if (!parsed) throw new CorruptEntry("cut in its header");
  return parsed;
}

/** The records: all of them, or the seal and the last MAX_RECORDS_BYTES. */
async function readTail(
  io: SpoolIo,
  path: string,
  at: number,
  bytes: number,
): Promise<{ tail: Buffer; skipped: number }> {
  const file = await io.open(path, "read");
  try {
    if (bytes <= MAX_RECORDS_BYTES) return { tail: await readRange(file, at, bytes), skipped: 0 };
    const start = await readRange(file, at, MAX_RECORDS_BYTES);
    const seal = start.subarray(0, start.indexOf(LF) + 1);
    const last = await readRange(file, at + bytes - MAX_RECORDS_BYTES, MAX_RECORDS_BYTES);
    const whole = last.subarray(last.indexOf(LF) + 1);
    return { tail: Buffer.concat([seal, whole]), skipped: bytes - seal.length - whole.length };
  } finally {
    await file.close();
  }
}

async function readRange(file: SpoolFile, at: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes);
  return buffer.subarray(0, await file.read(buffer, at));
}

/** Reads the message once and compares its hash with the seal. Throws CorruptEntry. */
export async function verifyEntry(io: SpoolIo, path: string, entry: Entry): Promise<void> {
  const digest = createHash("sha256");
  for await (const chunk of readMessage(io, path, entry)) digest.update(chunk);
  if (digest.digest("hex") !== entry.sha256) throw new CorruptEntry("the message is damaged");
}

/** The message of an entry. Reading throws Unavailable("spool"). */
export function toEntrySource(io: SpoolIo, path: string, entry: Entry): MessageSource {
  return {
    size: entry.item.bytes,
    async *read() {
      try {
        yield* readMessage(io, path, entry);
      } catch (error) {
        throw new Unavailable("spool", `cannot read ${entry.item.id}`, { cause: error });
      }
    },
  };
}

async function* readMessage(io: SpoolIo, path: string, entry: Entry): AsyncGenerator<Buffer> {
  const file = await io.open(path, "read");
  try {
    const { bytes } = entry.item;
    for (let done = 0; done < bytes; ) {
      const chunk = await readRange(file, entry.offset + done, Math.min(CHUNK_BYTES, bytes - done));
      if (chunk.length === 0) throw new CorruptEntry("the message is cut");
      done += chunk.length;
      yield chunk;
    }
  } finally {
    await file.close();
  }
}
