import { join } from "node:path";
import { spawnTied } from "./tied-process.ts";
import { waitUntil } from "./wait-until.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");
/** A cold start on a machine that runs other tests as well. */
const START_LIMIT_MS = 30_000;

export interface GatewayProcessOptions {
  readonly settingsFile: string;
  /** Put in front of the command: `["strace", "-f"]`. */
  readonly wrapper?: readonly string[];
  /** Besides those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** `postern serve` in a process of its own, so that it can be killed, traced and weighed. */
export interface GatewayProcess {
  /** Of the wrapper when there is one. */
  readonly pid: number;
  /** The end of what it wrote: lines of its log. */
  output(): string;
  /** Waits for it in the output, which comes through a pipe and a little after the deed. */
  told(what: RegExp): Promise<void>;
  /** Resolves to the port of its first listener once it listens; rejects when it ends before. */
  listening(): Promise<number>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it has said its last words, or was killed because it did not end. */
  stop(patienceMs?: number): Promise<void>;
  /** Null while it runs, and when it was killed. */
  exitCode(): number | null;
}

export function spawnGateway({
  settingsFile,
  wrapper = [],
  env = {},
}: GatewayProcessOptions): GatewayProcess {
  const serve = [process.execPath, MAIN, "serve", "--settings", settingsFile];
  const [command = "", ...args] = [...wrapper, ...serve];
  const child = spawnTied(command, args, { env });
  return {
    pid: child.pid,
    output: () => child.output(),
    async told(what) {
      await waitUntil(
        () => `it does not tell ${what}: ${child.output()}`,
        () => what.test(child.output()) || undefined,
      );
    },
    listening: () =>
      waitUntil(
        () => `the gateway does not listen: ${child.output()}`,
        () => {
          const port = portIn(child.output());
          if (port === undefined && child.hasEnded())
            throw new Error(`the gateway ended: ${child.output()}`);
          return port;
        },
        START_LIMIT_MS,
      ),
    async kill() {
      child.signal("SIGKILL");
      await child.stop();
    },
    stop: (patienceMs) => child.stop(patienceMs),
    exitCode: () => child.exitCode(),
  };
}

/** From the log line that it writes once all listeners are open. */
function portIn(output: string): number | undefined {
  const line = output.split("\n").find((line) => line.includes('"event":"started"'));
  const port = /"listeners":\[\{[^}]*"port":(\d+)/.exec(line ?? "")?.[1];
  return port === undefined ? undefined : Number(port);
}
