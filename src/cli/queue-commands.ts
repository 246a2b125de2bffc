import { type Command, Option } from "commander";
import {
  contextOf,
  limitOption,
  type ProgramParts,
  runOnPort,
  whoCommands,
} from "./command-parts.ts";
import { refuseUsage } from "./failure.ts";
import { queueListCommand, queueShowCommand, queueStatsCommand } from "./queue.ts";
import { type QueueAct, queueActCommand, type SelectorWords } from "./queue-acts.ts";
import { queueExportCommand } from "./queue-export.ts";

interface ActWords extends SelectorWords {
  readonly all?: boolean;
  readonly note?: string;
  readonly bounce?: boolean;
  readonly yes?: boolean;
}

/** The words of `postern queue`. */
export function addQueue(program: Command, parts: ProgramParts): void {
  const queue = program.command("queue").description("mail that is promised and not delivered yet");
  withSelectors(queue.command("list").description("what waits, and for what, the oldest first"))
    .addOption(limitOption())
    .action((options: SelectorWords & { readonly limit: number }, command) =>
      runOnPort(command, parts, (context, port) => queueListCommand(context, port, options)),
    );
  queue
    .command("show")
    .description("all about one entry")
    .argument("<id>", "of the entry, or of its transaction")
    .action((id: string, _options, command) =>
      runOnPort(command, parts, (context, port) => queueShowCommand(context, port, id)),
    );
  queue
    .command("export")
    .description("the message as it would be sent, and its envelope, into two files")
    .argument("<id>", "of the entry, or of its transaction")
    .option("-o, --output <file>", "the message; the envelope goes beside it (default: ID.eml)")
    .action((id: string, options: { readonly output?: string }, command) =>
      runOnPort(command, parts, (context, port) =>
        queueExportCommand(context, port, { id, ...options }),
      ),
    );
  queue
    .command("stats")
    .description("how many entries of which age wait for which domain")
    .action((_options, command) => runOnPort(command, parts, queueStatsCommand));
  addActs(queue, parts);
}

function addActs(queue: Command, parts: ProgramParts): void {
  addAct(queue, parts, "retry", "try now; what is held only when it is named by its id");
  addAct(queue, parts, "hold", "do not deliver until it is released").option(
    "--note <text>",
    "why, for the record",
  );
  addAct(queue, parts, "release", "let go what is held");
  addAct(queue, parts, "drop", "never deliver; without --bounce nobody is told")
    .option("--bounce", "tell the sender; where that may not be, keep it in quarantine")
    .option("--yes", "also when it is more than one");
}

function addAct(
  queue: Command,
  parts: ProgramParts,
  verb: QueueAct["verb"],
  description: string,
): Command {
  const by = whoCommands(parts.streams.env);
  const command = queue
    .command(verb)
    .description(description)
    .argument("[ids...]", "of entries, or of transactions")
    .option("--all", "every entry");
  return withSelectors(command).action((ids: readonly string[], words: ActWords, command) => {
    const { all, note, bounce = false, yes = false, ...selector } = words;
    const isSelected = all === true || Object.keys(selector).length > 0;
    if (isSelected === ids.length > 0)
      return parts.run(contextOf(command, parts), async (context) =>
        refuseUsage(context, "name ids, or choose by --all or a condition"),
      );
    const act = { verb, by, yes, bounce, ...(note !== undefined && { note }) };
    return runOnPort(command, parts, (context, port) =>
      queueActCommand(context, port, { ...act, ...(ids.length > 0 ? { ids } : { selector }) }),
    );
  });
}

function withSelectors(command: Command): Command {
  return command
    .option("--recipient <text>", "part of a recipient's address")
    .option("--domain <domain>", "domain of a recipient")
    .option("--sender <text>", "part of the sender's address")
    .option("--reason <text>", "part of why it waits")
    .addOption(
      new Option("--state <state>", "waiting, being delivered, or held").choices([
        "due",
        "active",
        "held",
      ]),
    );
}
