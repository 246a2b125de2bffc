import { CommanderError } from "commander";
import { type CliContext, EXIT } from "./cli-context.ts";
import { buildProgram } from "./commands.ts";
import { reportFailure } from "./failure.ts";
import { type OpenPort, openPort } from "./open-port.ts";
import type { SecretInput } from "./read-password.ts";
import { toVisible } from "./visible-text.ts";

export interface CliStreams {
  /** One line each, without its line break. */
  out(line: string): void;
  err(line: string): void;
  readonly env: CliContext["env"];
  readonly cwd: string;
  /** Columns of the terminal; null or absent when standard output is none. */
  readonly width?: number | null;
  /** Where passwords come from. Default: standard input. */
  readonly stdin?: SecretInput;
  /** Tests reach stores of their own. */
  readonly openPort?: OpenPort;
}

/** Runs what the words (without node and script) ask for; gives the exit code. Never throws. */
export async function runCli(argv: readonly string[], streams: CliStreams): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = buildProgram({
    streams: { ...streams, out: visibly(streams.out), err: visibly(streams.err) },
    openPort: streams.openPort ?? openPort,
    async run(context, work) {
      try {
        exitCode = await work(context);
      } catch (error) {
        exitCode = reportFailure(context, error);
      }
    },
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help that was asked for is no mistake; help because nothing was asked is.
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  return exitCode;
}

/** The last guard, for what no command has thought of: a word of its own line, a text of a library. */
function visibly(write: (text: string) => void): (text: string) => void {
  return (text) => write(text.split("\n").map(toVisible).join("\n"));
}
