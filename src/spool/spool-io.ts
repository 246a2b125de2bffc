import {
  closeSync,
  fstatSync,
  fsync,
  ftruncate,
  open,
  openSync,
  read,
  readSync,
  write,
} from "node:fs";
import { chmod, mkdir, readdir, rename, unlink } from "node:fs/promises";
import { promisify } from "node:util";

/**
 * Every touch of the disk that the spool's promise rests on, one at a time, so that a test can let
 * any of them fail or kill the process before it.
 */
export interface SpoolIo {
  /** A new file that only we may read. Fails when it exists. */
  create(path: string): Promise<SpoolFile>;
  /** For reading, and for writing when `mode` is "change". */
  open(path: string, mode: "read" | "change"): Promise<SpoolFile>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** A rename or removal inside the folder is durable when it resolves. */
  syncFolder(path: string): Promise<void>;
  /** With its parents; 0700 also when it was there before. */
  makeFolder(path: string): Promise<void>;
  list(path: string): Promise<readonly string[]>;
  /** The beginning of a file and its whole size. */
  peek(path: string, bytes: number): Promise<{ readonly head: Buffer; readonly size: number }>;
}

export interface SpoolFile {
  /** Fills the buffer from `position`; less only at the end of the file. Octets read. */
  read(buffer: Buffer, position: number): Promise<number>;
  write(octets: Buffer, position: number): Promise<void>;
  truncate(bytes: number): Promise<void>;
  /** What was written is durable when it resolves. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

const OWNER_ONLY_FILE = 0o600;
const OWNER_ONLY_FOLDER = 0o700;

export function createSpoolIo(): SpoolIo {
  const calls: Calls = {
    open: promisify(open),
    read: promisify(read),
    write: promisify(write),
    ftruncate: promisify(ftruncate),
    fsync: promisify(fsync),
  };
  return {
    create: async (path) => wrap(calls, await calls.open(path, "wx", OWNER_ONLY_FILE)),
    open: async (path, mode) => wrap(calls, await calls.open(path, mode === "read" ? "r" : "r+")),
    rename: (from, to) => rename(from, to),
    // Not rm, which looks at the path before it removes it.
    remove: (path) => unlink(path),
    async syncFolder(path) {
      const folder = await calls.open(path, "r");
      try {
        await calls.fsync(folder);
      } finally {
        closeSync(folder);
      }
    },
    async makeFolder(path) {
      await mkdir(path, { recursive: true, mode: OWNER_ONLY_FOLDER });
      await chmod(path, OWNER_ONLY_FOLDER);
    },
    list: (path) => readdir(path),
    peek: async (path, bytes) => peekSync(path, bytes),
  };
}

/** Without the thread pool: five times faster, which is the start-up time of a large spool. */
function peekSync(path: string, bytes: number): { head: Buffer; size: number } {
  const descriptor = openSync(path, "r");
  try {
    const { size } = fstatSync(descriptor);
    const buffer = Buffer.allocUnsafe(Math.min(size, bytes));
    return { head: buffer.subarray(0, readSync(descriptor, buffer)), size };
  } finally {
    closeSync(descriptor);
  }
}

/** Each waits in a thread; none is begun on a descriptor before the one before has ended. */
interface Calls {
  readonly open: typeof open.__promisify__;
  readonly read: typeof read.__promisify__;
  readonly write: typeof write.__promisify__;
  readonly ftruncate: typeof ftruncate.__promisify__;
  readonly fsync: typeof fsync.__promisify__;
}

/**
 * A bare descriptor: that of FileHandle is closed in a thread, and a way there and back costs as much
 * as everything else that is done to a small file. On a local disk closing never waits.
 */
function wrap(calls: Calls, descriptor: number): SpoolFile {
  let isOpen = true;
  return {
    async read(buffer, position) {
      let done = 0;
      while (done < buffer.length) {
        const { bytesRead } = await calls.read(
          descriptor,
          buffer,
          done,
          buffer.length - done,
          position + done,
        );
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    },
    async write(octets, position) {
      // A short write is no error: it is the last that fits before ENOSPC.
      for (let done = 0; done < octets.length; ) {
        const { bytesWritten } = await calls.write(
          descriptor,
          octets,
          done,
          octets.length - done,
          position + done,
        );
        done += bytesWritten;
      }
    },
    truncate: (bytes) => calls.ftruncate(descriptor, bytes),
    sync: () => calls.fsync(descriptor),
    async close() {
      // Once: the number may be another file's by now.
      if (!isOpen) return;
      isOpen = false;
      closeSync(descriptor);
    },
  };
}
