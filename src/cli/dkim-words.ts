import { type Command, InvalidArgumentError, Option } from "commander";
import type { RunCommand } from "./command-parts.ts";
import type { DkimNewOptions } from "./dkim-new.ts";
import type { DkimShowOptions } from "./dkim-show.ts";

/** `postern dkim …`: keys under which mail of ours is signed. */
export function addDkim(program: Command, run: RunCommand): void {
  const dkim = program.command("dkim").description("keys for signatures under mail of ours");
  dkim
    .command("new")
    .description("make a key, and say what to publish in DNS")
    .argument("<domain>")
    .option("--selector <selector>", "name of the key; default: its kind and the month")
    .addOption(
      new Option("--type <type>", "rsa for everybody; ed25519 beside it")
        .choices(["rsa", "ed25519"])
        .default("rsa"),
    )
    .addOption(
      new Option("--bits <bits>", "length of an RSA key: 1024 to 4096")
        .default(DEFAULT_BITS)
        .argParser(toBits),
    )
    .option("-o, --output <file>", "default: dkim/DOMAIN.SELECTOR.pem in the policies")
    .action((domain: string, options: DkimNewOptions, command) =>
      run(command, async (context) => {
        const { dkimNewCommand } = await import("./dkim-new.ts");
        const { loadSettings } = await import("../settings.ts");
        return dkimNewCommand(context, domain, options, { loadSettings, now: Date.now() });
      }),
    );
  dkim
    .command("show")
    .description("what signing.yaml has for a domain, and whether DNS has it too")
    .argument("<domain>")
    .option("--selector <selector>", "only this one")
    .action((domain: string, options: DkimShowOptions, command) =>
      run(command, async (context) => {
        const { dkimShowCommand } = await import("./dkim-show.ts");
        const { loadSettings } = await import("../settings.ts");
        const { openSigningProbe } = await import("../compose-doctor.ts");
        return dkimShowCommand(context, domain, options, { loadSettings, openSigningProbe });
      }),
    );
}

const DEFAULT_BITS = 2048;
const LEAST_BITS = 1024;
const MOST_BITS = 4096;

function toBits(text: string): number {
  const bits = /^\d{4}$/.test(text) ? Number(text) : 0;
  if (bits < LEAST_BITS || bits > MOST_BITS)
    throw new InvalidArgumentError(`expected a number from ${LEAST_BITS} to ${MOST_BITS}.`);
  return bits;
}
