import { Command, Option } from "commander";
import {
  collect,
  contextOf,
  limitOption,
  type ProgramParts,
  runOnPort,
  sinceLastWeek,
  sinceOption,
  whoCommands,
} from "./command-parts.ts";
import { addDkim } from "./dkim-words.ts";
import { addDnsbl } from "./dnsbl-words.ts";
import { addDoctor } from "./doctor-words.ts";
import { explainCommand } from "./explain.ts";
import { addPolicy } from "./policy-words.ts";
import {
  type QuarantineListOptions,
  quarantineDeleteCommand,
  quarantineListCommand,
  quarantineReleaseCommand,
  quarantineShowCommand,
  quarantineStatsCommand,
} from "./quarantine.ts";
import { addQueue } from "./queue-commands.ts";
import { addRecipients } from "./recipients-words.ts";
import { addExceptions, addReputation } from "./reputation-words.ts";
import { statsCommand } from "./stats.ts";
import { type TraceOptions, traceCommand } from "./trace.ts";
import { addUser } from "./user-words.ts";
import { versionCommand } from "./version.ts";

/** The words of the command line. Commands that need much of the house load it when they run. */
export function buildProgram(parts: ProgramParts): Command {
  const { out, err } = parts.streams;
  const program = new Command("postern")
    .description("An edge mail gateway that explains every decision from stored evidence")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => out(text.trimEnd()),
      writeErr: (text) => err(text.trimEnd()),
    })
    .configureHelp({ showGlobalOptions: true })
    .option("--settings <file>", "settings file")
    .option("--json", "answer for programs: one JSON object, or one a line for lists");
  addGateway(program, parts);
  addTracking(program, parts);
  addQuarantine(program, parts);
  addQueue(program, parts);
  addDkim(program, (command, work) => parts.run(contextOf(command, parts), work));
  addPolicy(program, parts);
  addDnsbl(program, parts);
  addReputation(program, parts);
  addExceptions(program, parts);
  addRecipients(program, (command, work) => parts.run(contextOf(command, parts), work));
  program
    .command("stats")
    .description("what the gateway knows of itself and of its stores")
    .action((_options, command) => runOnPort(command, parts, statsCommand));
  addUser(program, {
    stdin: parts.streams.stdin ?? process.stdin,
    run: (command, work) => parts.run(contextOf(command, parts), work),
  });
  program
    .command("version")
    .description("print the version")
    .action((_options, command) => parts.run(contextOf(command, parts), versionCommand));
  return program;
}

function addGateway(program: Command, parts: ProgramParts): void {
  program
    .command("serve")
    .description("run the gateway")
    .action((_options, command) =>
      parts.run(contextOf(command, parts), async (context) => {
        const { serveCommand } = await import("./serve.ts");
        return serveCommand(context);
      }),
    );
  program
    .command("demo")
    .description("run a gateway with sample mail, a hub and DNS of its own")
    .option("--once", "exit after the table", false)
    .action((options: { readonly once: boolean }, command) =>
      parts.run(contextOf(command, parts), async (context) => {
        const { demoCommand } = await import("./demo.ts");
        return demoCommand(context, options);
      }),
    );
  program
    .command("check")
    .description("check settings and policies, all mistakes together")
    .action((_options, command) =>
      parts.run(contextOf(command, parts), async (context) => {
        const { checkCommand } = await import("./check.ts");
        const { loadSettings } = await import("../settings.ts");
        return checkCommand(context, { loadSettings });
      }),
    );
  addDoctor(program, parts);
  addJudge(program, parts);
}

interface JudgeWords {
  readonly ip: string;
  readonly helo: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly outbound: boolean;
  readonly user?: string;
}

function addJudge(program: Command, parts: ProgramParts): void {
  program
    .command("judge")
    .description("what the gateway would do with a message file")
    .argument("<file>", "message file")
    .requiredOption("--ip <address>", "address of the client")
    .requiredOption("--helo <name>", "what the client says in HELO")
    .requiredOption("--from <address>", 'sender, "<>" for none')
    .requiredOption("--to <address>", "recipient, may be repeated", collect)
    .option("--outbound", "as mail of somebody who may relay", false)
    .option("--user <name>", "as mail of a user who logged on; --outbound alone: of a network")
    .action((file: string, words: JudgeWords, command) =>
      parts.run(contextOf(command, parts), async (context) => {
        const { judgeCommand } = await import("./judge.ts");
        return judgeCommand(context, { file, ...words });
      }),
    );
}

function addTracking(program: Command, parts: ProgramParts): void {
  program
    .command("explain")
    .description("why a message met its fate: evidence, verdicts, decision, delivery")
    .argument("<id>", "the reference in the reply, the X-Postern-Id, or the id of a held copy")
    .action((id: string, _options, command) =>
      runOnPort(command, parts, (context, port) => explainCommand(context, port, id)),
    );
  program
    .command("trace")
    .description("find messages; conditions are joined by and")
    .option("--from <text>", "part of the sender's address or of the From line")
    .option("--to <text>", "part of a recipient's address")
    .option("--subject <text>", "part of the subject")
    .option("--ip <address>", "address of the client, or of whom a trusted relay had it from")
    .addOption(sinceLastWeek())
    .addOption(limitOption())
    .action((options: TraceOptions, command) =>
      runOnPort(command, parts, (context, port) => traceCommand(context, port, options)),
    );
}

function addQuarantine(program: Command, parts: ProgramParts): void {
  const quarantine = program.command("quarantine").description("held mail");
  quarantine
    .command("list")
    .description("what is held, newest first")
    .option("--recipient <text>", "part of a recipient's address")
    .option("--sender <text>", "part of the sender's address")
    .option("--cause <cause>", "why it is held")
    .addOption(
      new Option("--state <state>", "held, or gone and why")
        .choices(["held", "released", "deleted"])
        .default("held"),
    )
    .addOption(sinceOption())
    .addOption(limitOption())
    .action((options: QuarantineListOptions, command) =>
      runOnPort(command, parts, (context, port) => quarantineListCommand(context, port, options)),
    );
  quarantine
    .command("show")
    .description("all about one held message")
    .argument("<id>")
    .action((id: string, _options, command) =>
      runOnPort(command, parts, (context, port) => quarantineShowCommand(context, port, id)),
    );
  quarantine
    .command("stats")
    .description("how much is held")
    .action((_options, command) => runOnPort(command, parts, quarantineStatsCommand));
  addQuarantineActs(quarantine, parts);
}

function addQuarantineActs(quarantine: Command, parts: ProgramParts): void {
  const by = whoCommands(parts.streams.env);
  quarantine
    .command("release")
    .description("deliver a held message to the hub, once, without judging it again")
    .argument("<id>")
    .option("--to <address>", "to this recipient instead of its own")
    .option("--force", "also when it was held for malware", false)
    .action((id: string, options: { readonly to?: string; readonly force: boolean }, command) =>
      runOnPort(command, parts, (context, port) =>
        quarantineReleaseCommand(context, port, { id, by, ...options }),
      ),
    );
  quarantine
    .command("delete")
    .description("delete a held message for good")
    .argument("<id>")
    .action((id: string, _options, command) =>
      runOnPort(command, parts, (context, port) =>
        quarantineDeleteCommand(context, port, { id, by }),
      ),
    );
}
