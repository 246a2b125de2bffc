import { type Command, InvalidArgumentError } from "commander";
import { canonicalIp } from "../net/ip.ts";
import { contextOf, type ProgramParts } from "./command-parts.ts";

/** `doctor`: each look at the world around the gateway. */
export function addDoctor(program: Command, parts: ProgramParts): void {
  const doctor = program
    .command("doctor")
    .description(
      "look at what the gateway stands on: certificates, databases, hubs that know who exists, published keys",
    )
    .action((_options, command) =>
      parts.run(contextOf(command, parts), async (context) => {
        const { doctorCommand } = await import("./doctor.ts");
        const { loadSettings } = await import("../settings.ts");
        const { openHubProbe, openSigningProbe } = await import("../compose-doctor.ts");
        return doctorCommand(context, { loadSettings, openHubProbe, openSigningProbe });
      }),
    );
  doctor
    .command("spf")
    .description("compare the SPF records of our domains with where our mail leaves")
    .option("--ip <address>", "an address that the internet sees, may be repeated", toIps)
    .action(({ ip = [] }: { readonly ip?: readonly string[] }, command) =>
      parts.run(contextOf(command, parts), async (context) => {
        const { doctorSpfCommand } = await import("./doctor.ts");
        const { loadSettings } = await import("../settings.ts");
        const { openSpfProbe } = await import("../compose-doctor.ts");
        return doctorSpfCommand(context, { loadSettings, openSpfProbe }, ip);
      }),
    );
}

function toIps(text: string, before: readonly string[] | undefined): readonly string[] {
  const ip = canonicalIp(text);
  if (ip === null) throw new InvalidArgumentError("expected an address such as 192.0.2.1");
  return [...(before ?? []), ip];
}
