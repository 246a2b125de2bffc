import { stat } from "node:fs/promises";
import { type Clock, pause } from "../base/clock.ts";
import { errorText, Unavailable } from "../base/errors.ts";
import { callControl, isListening } from "./call-control.ts";
import { type CommandPort, type ControlCommands, ControlError, controlPath } from "./control.ts";
import { createDataLock, type DataLock } from "./data-lock.ts";

/** A search of a year of mail included. */
const CALL_LIMIT_MS = 120_000;
/** A gateway that starts holds the lock before it listens; another command ends soon. */
const PATIENCE_MS = 5000;
const ASK_AGAIN_MS = 100;

/** The command map over stores that were opened under the lock. */
export interface AloneStores {
  readonly commands: ControlCommands;
  close(): Promise<void>;
}

export interface CommandPortOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  /** Called only while the lock is held. */
  readonly openAlone: () => Promise<AloneStores>;
}

/**
 * The running gateway, or the stores themselves when no process has them. Throws ControlError:
 * `busy` when somebody has them who does not answer, `denied` when they are not ours to open.
 */
export async function openCommandPort(options: CommandPortOptions): Promise<CommandPort> {
  const { dataDir, clock } = options;
  const path = controlPath(dataDir);
  const lock = createDataLock(dataDir);
  const patienceEnds = clock.monotonic() + PATIENCE_MS;
  await requireFolder(dataDir);
  for (;;) {
    if (await isListening(path)) return livePort(path, clock);
    requireOwner((await stat(dataDir)).uid, dataDir);
    if (await lock.take("command")) return alonePort(lock, options);
    if (clock.monotonic() >= patienceEnds) throw await busy(lock, dataDir);
    await pause(clock, ASK_AGAIN_MS);
  }
}

function livePort(path: string, clock: Clock): CommandPort {
  return {
    live: true,
    call: (command, args) =>
      callControl(path, { command, args }, { timeoutMs: CALL_LIMIT_MS, clock }),
    close: async () => {},
  };
}

async function alonePort(lock: DataLock, { openAlone }: CommandPortOptions): Promise<CommandPort> {
  try {
    const stores = await openAlone();
    return {
      live: false,
      call: (name, args) => callAlone(stores.commands, name, args),
      async close() {
        try {
          await stores.close();
        } finally {
          await lock.release();
        }
      },
    };
  } catch (error) {
    await lock.release();
    throw toControlError(error);
  }
}

async function callAlone(
  commands: ControlCommands,
  name: string,
  args: unknown,
): Promise<readonly unknown[]> {
  const command = commands.get(name);
  if (!command) throw new ControlError("unknown-command", `there is no command ${name}`);
  try {
    return await Array.fromAsync(command(args));
  } catch (error) {
    throw toControlError(error);
  }
}

function toControlError(error: unknown): ControlError {
  if (error instanceof ControlError) return error;
  const code = error instanceof Unavailable ? "unavailable" : "failed";
  return new ControlError(code, errorText(error), { cause: error });
}

/** A mistyped path must not become a new, empty data folder. */
async function requireFolder(dataDir: string): Promise<void> {
  const found = await stat(dataDir).catch(() => null);
  if (found?.isDirectory()) return;
  throw new ControlError("not-running", `there is no data folder at ${dataDir}`);
}

/** Files that root makes here could not be opened by the gateway's own user afterwards. */
function requireOwner(uid: number, dataDir: string): void {
  const me = process.getuid?.();
  if (me === undefined || me === uid) return;
  throw new ControlError(
    "denied",
    `no gateway answers, and ${dataDir} belongs to user ${uid}: run this as that user`,
  );
}

async function busy(lock: DataLock, dataDir: string): Promise<ControlError> {
  const holder = await lock.holder();
  const who = holder ? `a ${holder.purpose} with process id ${holder.pid}` : "another process";
  return new ControlError("busy", `${who} holds ${dataDir} and does not answer`);
}
