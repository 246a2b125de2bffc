import { runCli } from "../../src/cli/cli.ts";
import type { TestGateway } from "./test-gateway.ts";

export interface CommandAnswer {
  readonly code: number;
  readonly text: string;
  readonly err: string;
}

/** A command of `postern` to a gateway that runs, as an operator called jane. */
export async function postern(
  edge: Pick<TestGateway, "settingsFile" | "folder">,
  ...words: readonly string[]
): Promise<CommandAnswer> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCli([...words, "--settings", edge.settingsFile], {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    env: { SUDO_USER: "jane" },
    cwd: edge.folder,
    width: null,
  });
  return { code, text: out.join("\n"), err: err.join("\n") };
}
