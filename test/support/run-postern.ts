import { runCli } from "../../src/cli/cli.ts";
import type { TestGateway } from "./test-gateway.ts";

export interface CommandAnswer {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
  /** What was written on standard output. */
  readonly text: string;
}

/** A command as an operator gives it; beside a gateway that runs, over its control socket. */
export async function runPostern(
  { settingsFile, folder }: Pick<TestGateway, "settingsFile" | "folder">,
  ...argv: readonly string[]
): Promise<CommandAnswer> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCli([...argv, "--settings", settingsFile], {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    env: { SUDO_USER: "admin" },
    cwd: folder,
  });
  return { code, out, err, text: out.join("\n") };
}
