import type { Command } from "commander";
import { contextOf, type ProgramParts } from "./command-parts.ts";

/** The words of `postern policy`. */
export function addPolicy(program: Command, parts: ProgramParts): void {
  const policy = program.command("policy").description("what the policy files come to");
  policy
    .command("show")
    .description("the policies of the folder, laid out as the files are")
    .argument("[file]", "only this file, such as pipeline.yaml")
    .option("--effective", "with every default filled in (always so)")
    .action((file: string | undefined, _options, command) =>
      parts.run(contextOf(command, parts), async (context) => {
        const { policyShowCommand } = await import("./policy-show.ts");
        const { loadSettings } = await import("../settings.ts");
        return policyShowCommand(context, { loadSettings, file: file ?? null });
      }),
    );
}
