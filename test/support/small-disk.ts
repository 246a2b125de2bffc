import { execFileSync } from "node:child_process";
import { mkdtemp, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system of its own, which can run out of what a real one runs out of. */
export interface SmallDisk extends AsyncDisposable {
  readonly folder: string;
  /** Until it takes no octet more, or about so many. */
  fill(leaveBytes?: number): Promise<void>;
  /** Until it takes no file more. */
  fillInodes(): Promise<void>;
  /** Takes away what filled it. */
  empty(): Promise<void>;
  /** Nothing below the path can be changed any more, by its path. */
  freeze(path: string): void;
  thaw(path: string): void;
}

const BALLAST_BYTES = 64 * 1024;

/** Null, said loudly, where this user may not mount. */
export async function mountSmallDisk(options: string): Promise<SmallDisk | null> {
  const folder = await mkdtemp(join(tmpdir(), "postern-disk-"));
  const mount = (...args: readonly string[]) =>
    execFileSync("mount", [...args], { stdio: ["ignore", "ignore", "pipe"] });
  try {
    mount("-t", "tmpfs", "-o", options, "tmpfs", folder);
  } catch {
    process.stderr.write("\n*** SKIPPED: a small disk needs root and mount ***\n");
    await rm(folder, { recursive: true, force: true });
    return null;
  }
  const ballast: string[] = [];
  const frozen = new Set<string>();
  const thaw = (path: string) => {
    if (frozen.delete(path)) execFileSync("umount", [path]);
  };
  const addUntilFull = async (content: Buffer) => {
    for (;;) {
      const file = join(folder, `ballast-${ballast.length}`);
      ballast.push(file);
      const isFull = await writeFile(file, content).then(
        () => false,
        () => true,
      );
      if (isFull) return;
    }
  };
  return {
    folder,
    async fill(leaveBytes = 0) {
      await addUntilFull(Buffer.alloc(BALLAST_BYTES));
      await addUntilFull(Buffer.alloc(1));
      for (const file of ballast.splice(0, leaveBytes / BALLAST_BYTES)) await unlink(file);
    },
    fillInodes: () => addUntilFull(Buffer.alloc(0)),
    async empty() {
      for (const file of ballast.splice(0)) await unlink(file).catch(() => {});
    },
    freeze(path) {
      mount("--bind", path, path);
      frozen.add(path);
      mount("-o", "remount,bind,ro", path);
    },
    thaw,
    async [Symbol.asyncDispose]() {
      for (const path of [...frozen]) thaw(path);
      execFileSync("umount", ["-l", folder]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
