import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Unavailable } from "../base/errors.ts";
import type { MessageSource } from "../mail/message.ts";

/** MessageSource promises chunks of at most this. */
const CHUNK_BYTES = 64 * 1024;
const DRAFT_SUFFIX = ".draft";
// 80 random bits in the alphabet of ids; shorter than an id of a transaction, so that one is not
// taken for the other.
const HOLD_ID = /^[0-9A-HJKMNP-TV-Z]{16}$/;
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** Opaque: says nothing of sender, time or order. */
export function newHoldId(): string {
  let id = "";
  for (const byte of randomBytes(16)) id += ALPHABET[byte & 31];
  return id;
}

export function isHoldId(text: string): boolean {
  return HOLD_ID.test(text);
}

/** What is known of a file from when it was written. */
export interface Written {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * The bytes of held messages, one file each, named by the hold's id. A draft becomes a file by
 * fsync(file), rename, fsync(folder); only then may the index name it. Methods throw what the file
 * system throws.
 */
export interface HeldFiles {
  makeFolders(): Promise<void>;
  /** Those of a process that died. */
  removeDrafts(): Promise<void>;
  /** Durable when it resolves; leaves nothing behind when it throws. */
  write(id: string, source: MessageSource): Promise<Written>;
  /**
   * Null when the bytes are gone, or are not as many as they were. Reading throws Unavailable at the
   * end when they are not those that were written.
   */
  open(id: string, written: Written): Promise<MessageSource | null>;
  remove(id: string): Promise<void>;
  ids(): Promise<readonly string[]>;
  /** Out of the way, for the administrator to look at. */
  setAside(ids: readonly string[]): Promise<string>;
}

export function createHeldFiles(folder: string): HeldFiles {
  const messages = join(folder, "messages");
  const pathOf = (id: string) => {
    if (!isHoldId(id)) throw new Error("not an id of a held message");
    return join(messages, id);
  };
  return {
    makeFolders: () => makeFolders(folder, messages),
    removeDrafts: () => removeDrafts(messages),
    write: (id, source) => write(pathOf(id), source),
    async open(id, written) {
      const path = pathOf(id);
      const found = await stat(path).catch(nullIfMissing);
      if (found?.size !== written.bytes) return null;
      return { size: written.bytes, read: () => readChecked(path, written) };
    },
    remove: (id) => rm(pathOf(id), { force: true }),
    ids: async () => (await readdir(messages)).filter(isHoldId),
    async setAside(ids) {
      const aside = join(folder, "unindexed");
      await mkdir(aside, { recursive: true, mode: 0o700 });
      for (const id of ids) await rename(pathOf(id), join(aside, id));
      return aside;
    },
  };
}

async function makeFolders(folder: string, messages: string): Promise<void> {
  const first = await mkdir(messages, { recursive: true, mode: 0o700 });
  if (first) for (const made of [folder, dirname(folder)]) await syncFolder(made);
}

async function removeDrafts(messages: string): Promise<void> {
  for (const name of await readdir(messages))
    if (name.endsWith(DRAFT_SUFFIX)) await rm(join(messages, name), { force: true });
}

async function write(path: string, source: MessageSource): Promise<Written> {
  const draft = path + DRAFT_SUFFIX;
  try {
    const handle = await open(draft, "wx", 0o600);
    const written = await fill(handle, source).finally(() => handle.close());
    await rename(draft, path);
    await syncFolder(dirname(path));
    return written;
  } catch (error) {
    for (const left of [draft, path]) await rm(left, { force: true }).catch(() => {});
    throw error;
  }
}

async function fill(handle: FileHandle, source: MessageSource): Promise<Written> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of source.read()) {
    // write() may take less than it was given, writeFile() loops.
    await handle.writeFile(chunk);
    hash.update(chunk);
    bytes += chunk.length;
  }
  if (bytes !== source.size) throw new Error(`read ${bytes} octets of ${source.size}`);
  await handle.sync();
  return { bytes, sha256: hash.digest("hex") };
}

async function* readChecked(path: string, { sha256 }: Written): AsyncIterable<Buffer> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest("hex") !== sha256)
    throw new Unavailable("quarantine", "the held message is damaged");
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  await handle.sync().finally(() => handle.close());
}

function nullIfMissing(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
  throw error;
}
