import { join } from "node:path";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { runCli } from "../../src/cli/cli.ts";
import { openCommandPort } from "../../src/control/command-port.ts";
import { createStoreCommands, type StoreCommandDeps } from "../../src/control/store-commands.ts";
import { createSqliteQuarantine } from "../../src/quarantine/sqlite-quarantine.ts";
import { createDiskSpool } from "../../src/spool/disk-spool.ts";
import { createSqliteTracking } from "../../src/tracking/sqlite-tracking.ts";

export interface StoreCliInput extends Pick<StoreCommandDeps, "tellSender" | "release" | "facts"> {
  readonly dataDir: string;
  /** Columns of the terminal. */
  readonly width: number;
}

/** Commands on the stores of a gateway that does not run. Each command opens them anew. */
export function createStoreCli({ dataDir, width, ...deps }: StoreCliInput) {
  const clock = createSystemClock();
  const openStores = async () => {
    const log = createSilentLog();
    const tracking = createSqliteTracking({ folder: join(dataDir, "tracking"), clock, log });
    const quarantine = createSqliteQuarantine({ folder: join(dataDir, "quarantine"), clock, log });
    const spool = createDiskSpool({ folder: join(dataDir, "spool"), clock, log });
    await spool.recover();
    const stores = { tracking, quarantine, spool };
    const about = () => ({});
    const commands = createStoreCommands({ ...stores, ...deps, wake() {}, clock, about });
    const close = async () =>
      void (await Promise.all([tracking.close(), quarantine.close(), spool.close()]));
    return { ...stores, commands, close };
  };
  /** What a terminal sees, and the exit code. */
  const run = async (...argv: string[]) => {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runCli(argv, {
      out: (line) => out.push(line),
      err: (line) => err.push(line),
      env: { SUDO_USER: "admin" },
      cwd: dataDir,
      width,
      openPort: () => openCommandPort({ dataDir, clock, openAlone: openStores }),
    });
    return { code, out, err, text: out.join("\n") };
  };
  return { openStores, run };
}

export type StoreCli = ReturnType<typeof createStoreCli>;
