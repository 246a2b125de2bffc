import { type Command, InvalidArgumentError } from "commander";
import { type IpAddress, parseIp } from "../net/ip.ts";
import { contextOf, type ProgramParts, runOnPort } from "./command-parts.ts";
import { dnsblStatsCommand } from "./dnsbl.ts";

/** `dnsbl`: what DNS lists say, and what they are worth. */
export function addDnsbl(program: Command, parts: ProgramParts): void {
  const dnsbl = program.command("dnsbl").description("DNS lists of bad and good clients");
  dnsbl
    .command("check")
    .description("ask all lists about an address")
    .argument("<ip>", "address of a client", toIp)
    .action((ip: IpAddress, _options, command) =>
      parts.run(contextOf(command, parts), async (context) => {
        const { dnsblCheckCommand } = await import("./dnsbl.ts");
        const { loadSettings } = await import("../settings.ts");
        const { openDnsblProbe } = await import("../compose-dnsbl.ts");
        return dnsblCheckCommand(context, { loadSettings, openDnsblProbe }, ip);
      }),
    );
  dnsbl
    .command("stats")
    .description("hits, lone hits, overlap, errors, speed and state of each list")
    .action((_options, command) => runOnPort(command, parts, dnsblStatsCommand));
}

function toIp(text: string): IpAddress {
  const ip = parseIp(text);
  if (ip === null) throw new InvalidArgumentError("expected an address such as 192.0.2.1");
  return ip;
}
