import { resolve } from "node:path";
import type { Command } from "commander";
import type { RunCommand } from "./command-parts.ts";
import type { SecretInput } from "./read-password.ts";

export interface UserWords {
  readonly stdin: SecretInput;
  readonly run: RunCommand;
}

export function addUser(program: Command, { stdin, run }: UserWords): void {
  const user = program.command("user").description("who may log on at a hub listener");
  user
    .command("hash")
    .description("the line for a file of users; the password comes from standard input")
    .argument("<name>", "as the user types it")
    .action((name: string, _options, command) =>
      run(command, async (context) => {
        const { userHashCommand } = await import("./user.ts");
        return userHashCommand(context, name, stdin);
      }),
    );
  user
    .command("check")
    .description("check a file of users")
    .argument("<file>")
    .action((file: string, _options, command) =>
      run(command, async (context) => {
        const { userCheckCommand } = await import("./user.ts");
        return userCheckCommand(context, resolve(context.cwd, file));
      }),
    );
}
