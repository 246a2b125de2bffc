import { createSpoolIo, type SpoolFile, type SpoolIo } from "../../src/spool/spool-io.ts";

/**
 * Called before each operation, with its name and the path it is about, of a rename the new one: may
 * throw, or end the process.
 */
export type BeforeOperation = (operation: string, path: string) => void;

/** The real disk, with a hook before every operation that changes it or reads from it. */
export function createFaultyIo(before: BeforeOperation): SpoolIo {
  const io = createSpoolIo();
  const hooked =
    <Args extends unknown[], Result>(
      name: string,
      work: (...args: Args) => Promise<Result>,
      pathOf: (...args: Args) => unknown = (...args) => args[0],
    ) =>
    async (...args: Args): Promise<Result> => {
      before(name, String(pathOf(...args)));
      return work(...args);
    };
  const hookFile = (file: SpoolFile, path: string): SpoolFile => {
    const its = () => path;
    return {
      read: hooked("read", (buffer: Buffer, at: number) => file.read(buffer, at), its),
      write: hooked("write", (octets: Buffer, at: number) => file.write(octets, at), its),
      truncate: hooked("truncate", (bytes: number) => file.truncate(bytes), its),
      sync: hooked("sync", () => file.sync(), its),
      close: () => file.close(),
    };
  };
  return {
    create: hooked("create", async (path: string) => hookFile(await io.create(path), path)),
    open: hooked("open", async (path: string, mode: "read" | "change") =>
      hookFile(await io.open(path, mode), path),
    ),
    rename: hooked("rename", io.rename, (_, to) => to),
    remove: hooked("remove", io.remove),
    syncFolder: hooked("syncFolder", io.syncFolder),
    makeFolder: io.makeFolder,
    list: io.list,
    peek: hooked("peek", io.peek),
  };
}

/** An error as the system would make it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made by a test`), { code });
}
