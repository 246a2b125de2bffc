import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, readdir, realpath } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Marks, markOf, toMark } from "../base/file-marks.ts";
import { createPacer } from "./pacer.ts";

/** Characters of the version: 48 bits tell policies apart and fit a log line. */
const VERSION_CHARS = 12;
/** Octets: about 2 ms of work. */
const HASHED_PER_TURN = 1024 * 1024;

/** One reading of the policy folder. Everything read counts for the version and for `isStale`. */
export interface PolicyFolder {
  /** Files at the top that look like policy, sorted. */
  readonly names: readonly string[];
  /** How a message names a file. */
  label(name: string): string;
  /** `name` is relative to the folder or absolute. Rejects as the file system does. */
  read(name: string, maxBytes: number): Promise<Buffer>;
  /** As `read`, of a password or a key: rejects when others than its owner may read the file. */
  readSecret(name: string, maxBytes: number): Promise<Buffer>;
  /** Hash of names and bytes of everything read so far, but no secret: see `secrets`. */
  version(): Promise<string>;
  /**
   * Hash of the secrets. Stays in memory: the version stands in headers, where it would let
   * everybody try passwords against it.
   */
  secrets(): Promise<string>;
  /** The folder and everything read so far, or not found, each with its mark before that. */
  marks(): Marks;
  /** True when something changed since it was read: what was read may never have been one policy. */
  isStale(): Promise<boolean>;
}

/**
 * The folder is resolved once, so that a folder switched by a symbolic link (as Kubernetes mounts
 * are) is read from one side only.
 */
export async function openPolicyFolder(folder: string): Promise<PolicyFolder> {
  const root = await realpath(folder);
  const rootMark = await markOf(root);
  const names = await listNames(root);
  const contents = new Map<string, Buffer>();
  const secrets = new Map<string, Buffer>();
  const marks = new Map<string, string>();
  const read = async (name: string, maxBytes: number, into: Map<string, Buffer>) => {
    const path = resolve(root, name);
    marks.set(path, await markOf(path)); // also of a file that cannot be read
    const { bytes, mark } = await readMarked(path, maxBytes, into === secrets);
    marks.set(path, mark);
    into.set(name, bytes);
    return bytes;
  };
  return {
    names,
    label: (name) => join(folder, name),
    read: (name, maxBytes) => read(name, maxBytes, contents),
    readSecret: (name, maxBytes) => read(name, maxBytes, secrets),
    version: async () => (await digestOf(contents)).slice(0, VERSION_CHARS),
    secrets: () => digestOf(secrets),
    marks: () => new Map([[root, rootMark], ...marks]),
    async isStale() {
      for (const [path, mark] of marks) if ((await markOf(path)) !== mark) return true;
      if ((await realpath(folder).catch(() => null)) !== root) return true;
      return (await listNames(root).catch(() => [])).join("\0") !== names.join("\0");
    },
  };
}

/** Lets the event loop turn: a recipient file may have 25 MB. */
async function digestOf(contents: ReadonlyMap<string, Buffer>): Promise<string> {
  const hash = createHash("sha256");
  const pacer = createPacer(1);
  for (const [name, bytes] of [...contents].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name}\0${bytes.length}\0`);
    for (let from = 0; from < bytes.length; from += HASHED_PER_TURN) {
      hash.update(bytes.subarray(from, from + HASHED_PER_TURN));
      if (pacer.due()) await pacer.rest();
    }
  }
  return hash.digest("hex");
}

async function listNames(root: string): Promise<readonly string[]> {
  const entries = await readdir(root);
  // Hidden files are what editors and mounts leave behind.
  return entries.filter((name) => /\.ya?ml$/i.test(name) && !name.startsWith(".")).sort();
}

/** Permission bits of group and others. */
const OTHERS = 0o077n;

async function readMarked(
  path: string,
  maxBytes: number,
  isSecret: boolean,
): Promise<{ readonly bytes: Buffer; readonly mark: string }> {
  // Without O_NONBLOCK the opening of a named pipe waits for its writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat({ bigint: true });
    if (!stats.isFile()) throw new Error("not a file");
    if (isSecret && (stats.mode & OTHERS) !== 0n)
      throw new Error(`expected mode 0600, got ${toMode(stats.mode)}: others may read it`);
    if (stats.size > BigInt(maxBytes))
      throw new Error(`expected at most ${maxBytes} bytes, got ${stats.size}`);
    return { bytes: await file.readFile(), mark: toMark(stats) };
  } finally {
    await file.close();
  }
}

function toMode(mode: bigint): string {
  return (mode & 0o777n).toString(8).padStart(4, "0");
}
