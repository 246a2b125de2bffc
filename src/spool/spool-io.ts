import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { chmod, type FileHandle, mkdir, open, readdir, rename, unlink } from "node:fs/promises";

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
  return {
    create: async (path) => wrap(await open(path, "wx", OWNER_ONLY_FILE)),
    open: async (path, mode) => wrap(await open(path, mode === "read" ? "r" : "r+")),
    rename: (from, to) => rename(from, to),
    // Not rm, which looks at the path before it removes it.
    remove: (path) => unlink(path),
    async syncFolder(path) {
      const folder = await open(path, "r");
      try {
        await folder.sync();
      } finally {
        // Nothing was written to it that a failure could tell of, and somebody waits for his 250.
        void folder.close().catch(() => {});
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

function wrap(handle: FileHandle): SpoolFile {
  return {
    async read(buffer, position) {
      let done = 0;
      while (done < buffer.length) {
        const { bytesRead } = await handle.read(
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
        const { bytesWritten } = await handle.write(
          octets,
          done,
          octets.length - done,
          position + done,
        );
        done += bytesWritten;
      }
    },
    truncate: (bytes) => handle.truncate(bytes),
    sync: () => handle.sync(),
    close: () => handle.close(),
  };
}
