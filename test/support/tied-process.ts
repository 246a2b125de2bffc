import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";

/** The watcher reads a pipe that only we hold, so a server dies with a killed test as well. */
const DIE_WITH_PARENT = `
exec 3<&0 </dev/null
(cat <&3; kill $$) >/dev/null 2>&1 &
exec "$@" 3<&-
`;
const TERM_LIMIT_MS = 5_000;
const OUTPUT_KEPT_CHARS = 20_000;

/** A server that never outlives the test process, however that ends. */
export interface TiedProcess {
  readonly pid: number;
  /** The end of what it wrote to stdout and stderr. */
  output(): string;
  hasEnded(): boolean;
  /** For SIGSTOP, SIGCONT, SIGHUP, SIGKILL. */
  signal(name: NodeJS.Signals): void;
  /** Null while it runs, and for one that a signal ended. */
  exitCode(): number | null;
  /** SIGTERM, then SIGKILL; resolves when it is gone. */
  stop(patienceMs?: number): Promise<void>;
}

export function spawnTied(
  command: string,
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): TiedProcess {
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(
    "/bin/sh",
    ["-c", DIE_WITH_PARENT, "sh", command, ...args],
    {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    },
  );
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-OUTPUT_KEPT_CHARS);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  child.stdin.on("error", () => undefined);
  child.once("exit", () => child.stdin.destroy());
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid ?? 0,
    output: () => output,
    hasEnded,
    exitCode: () => child.exitCode,
    signal: (name) => void child.kill(name),
    async stop(patienceMs = TERM_LIMIT_MS) {
      if (hasEnded()) return;
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      /** A stopped process takes SIGTERM only once it goes on. */
      child.kill("SIGCONT");
      const patience = setTimeout(() => child.kill("SIGKILL"), patienceMs);
      await gone;
      clearTimeout(patience);
    },
  };
}
