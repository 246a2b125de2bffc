import type { Command } from "commander";
import { contextOf, type ProgramParts, runOnPort, sinceLastWeek } from "./command-parts.ts";

/** The words of `postern dnsbl`. */
export function addDnsbl(program: Command, parts: ProgramParts): void {
  const dnsbl = program.command("dnsbl").description("the lists of bad and good clients in DNS");
  dnsbl
    .command("check")
    .description("ask every list of the policy about an address, now")
    .argument("<address>", "IPv4 or IPv6 address of a client")
    .action((address: string, _options, command) =>
      parts.run(contextOf(command, parts), async (context) => {
        const { dnsblCheckCommand } = await import("./dnsbl-check.ts");
        return dnsblCheckCommand(context, address);
      }),
    );
  dnsbl
    .command("stats")
    .description("what each list was worth to the mail on record")
    .addOption(sinceLastWeek())
    .action((options: { readonly since: number }, command) =>
      runOnPort(command, parts, async (context, port) => {
        const { dnsblStatsCommand } = await import("./dnsbl-stats.ts");
        return dnsblStatsCommand(context, port, options);
      }),
    );
}
