import { createLog } from "../base/log.ts";
import type { CommandPort } from "../control/control.ts";
import type { CliContext } from "./cli-context.ts";

/** How a command reaches the stores of the gateway that the settings describe. */
export type OpenPort = (context: CliContext) => Promise<CommandPort>;

/** Throws PolicyError for the settings, ControlError for the rest. */
export const openPort: OpenPort = async ({ settingsFile, env, cwd, err }) => {
  // The whole house takes a moment to load: not for a mistyped option.
  const { loadSettings } = await import("../settings.ts");
  const { openCommands } = await import("../compose-commands.ts");
  const settings = await loadSettings({ file: settingsFile, env, cwd });
  const write = (line: string) => err(line.trimEnd());
  return openCommands(settings, createLog({ level: "warn", format: "json", write }));
};

/** Runs a command and closes the port whatever happens. */
export async function withPort(
  context: CliContext,
  open: OpenPort,
  work: (port: CommandPort) => Promise<number>,
): Promise<number> {
  const port = await open(context);
  try {
    return await work(port);
  } finally {
    await port.close();
  }
}
