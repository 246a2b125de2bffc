import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { findFreeTcpPort } from "../test/support/free-port.ts";
import { findProgram } from "../test/support/programs.ts";
import { spawnTied } from "../test/support/tied-process.ts";
import { waitUntil } from "../test/support/wait-until.ts";

const run = promisify(execFile);
/** Of all that one server has accepted, to arrive at the sink. */
const DRAIN_MS = 120_000;
/** Connections that the sink lets wait. */
const SINK_BACKLOG = "1000";

/** smtp-sink of the postfix package: takes everything, keeps nothing, counts. */
export interface CountingSink {
  readonly port: number;
  /** Resolves when it has taken as many more as the load sent. */
  drained(messages: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startCountingSink(): Promise<CountingSink> {
  const { path, env } = findProgram("smtp-sink");
  const port = await findFreeTcpPort();
  // As root it wants to know whom to become.
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const args = ["-c", ...user, `127.0.0.1:${port}`, SINK_BACKLOG];
  const sink = spawnTied(path, args, { env });
  let before = 0;
  return {
    port,
    async drained(messages) {
      const goal = before + messages;
      await waitUntil(
        () => `the sink has ${takenBy(sink.output())} of ${goal} messages`,
        () => takenBy(sink.output()) >= goal || undefined,
        DRAIN_MS,
      );
      before = takenBy(sink.output());
    },
    stop: () => sink.stop(),
  };
}

/** Its running counters: `sess=1 quit=1 mesg=20`, overwritten in place. */
function takenBy(output: string): number {
  return Number(/mesg=(\d+)[^=]*$/.exec(output)?.[1] ?? 0);
}

export interface Load {
  readonly port: number;
  readonly to: string;
  readonly messages: number;
  readonly bytes: number;
  readonly sessions: number;
}

/** smtp-source of the postfix package; each session sends one message after the other. */
export async function sendLoad(load: Load): Promise<void> {
  const { path, env } = findProgram("smtp-source");
  const { sessions, messages, bytes, to, port } = load;
  const numbers = ["-s", sessions, "-m", messages, "-l", bytes].map(String);
  const envelope = ["-f", "carol@friend.test", "-t", to, `127.0.0.1:${port}`];
  await run(path, ["-d", ...numbers, ...envelope], { env: { ...process.env, ...env } });
}
