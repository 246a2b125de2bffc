import { userInfo } from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { CommandPort } from "../control/control.ts";
import type { CliStreams } from "./cli.ts";
import type { CliContext } from "./cli-context.ts";
import { type OpenPort, withPort } from "./open-port.ts";
import { parseSince } from "./time-words.ts";

export interface ProgramParts {
  readonly streams: CliStreams;
  readonly openPort: OpenPort;
  /** Runs one command and keeps its exit code. */
  readonly run: (
    context: CliContext,
    work: (context: CliContext) => Promise<number>,
  ) => Promise<void>;
}

/** Runs the work of a command that needs no gateway. */
export type RunCommand = (
  command: Command,
  work: (context: CliContext) => Promise<number>,
) => Promise<void>;

/** Rows without --limit. */
const DEFAULT_LIMIT = 100;
const WEEK_MS = 7 * 86_400_000;
/** What the stores give at most. */
const MOST_ROWS = 10_000;

export function runOnPort(
  command: Command,
  parts: ProgramParts,
  work: (context: CliContext, port: CommandPort) => Promise<number>,
): Promise<void> {
  return parts.run(contextOf(command, parts), (context) =>
    withPort(context, parts.openPort, (port) => work(context, port)),
  );
}

export function contextOf(command: Command, { streams }: ProgramParts): CliContext {
  const { settings, json } = command.optsWithGlobals<{ settings?: string; json?: boolean }>();
  const { out, err, env, cwd, width = null } = streams;
  const settingsFile = settings === undefined ? {} : { settingsFile: settings };
  return { out, err, env, cwd, width, json: json ?? false, ...settingsFile };
}

export function sinceOption(): Option {
  return new Option(
    "--since <when>",
    "90s, 30m, 12h, 7d or 2w ago, or a date such as 2026-01-31",
  ).argParser((text: string) => {
    const since = parseSince(text, Date.now());
    if (since === null) throw new InvalidArgumentError("expected 7d, 12h, 30m or a date.");
    return since;
  });
}

export function sinceLastWeek(): Option {
  return sinceOption().default(Date.now() - WEEK_MS, "7d");
}

export function limitOption(): Option {
  return new Option("--limit <count>", "at most so many")
    .default(DEFAULT_LIMIT)
    .argParser((text: string) => {
      const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
      if (count < 1 || count > MOST_ROWS)
        throw new InvalidArgumentError(`expected a number from 1 to ${MOST_ROWS}.`);
      return count;
    });
}

export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** For the records: who became root, not that it was root. */
export function whoCommands(env: CliContext["env"]): string {
  if (env.SUDO_USER) return env.SUDO_USER;
  try {
    return userInfo().username;
  } catch {
    // A container may run as a number without a name.
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
