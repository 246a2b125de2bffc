import { type Command, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../policy/duration.ts";
import { collect, contextOf, type ProgramParts, runOnPort, whoCommands } from "./command-parts.ts";
import {
  type ExceptionOrder,
  exceptionAddCommand,
  exceptionListCommand,
  exceptionRemoveCommand,
} from "./exceptions.ts";
import {
  reputationBlocksCommand,
  reputationResetCommand,
  reputationShowCommand,
  reputationUnlearnCommand,
} from "./reputation.ts";

/** The words of `postern reputation`. */
export function addReputation(program: Command, parts: ProgramParts): void {
  const by = whoCommands(parts.streams.env);
  const reputation = program
    .command("reputation")
    .description("what past mail says about those who send it");
  reputation
    .command("show")
    .description("what is known: counts, each term of the level, its last mail")
    .argument("<subject>", "an address, a network, a domain; client:, helo:, domain: ... before it")
    .action((subject: string, _options, command) =>
      runOnPort(command, parts, (context, port) => reputationShowCommand(context, port, subject)),
    );
  reputation
    .command("reset")
    .description("forget what is known, and end a block")
    .argument("<subject>")
    .action((subject: string, _options, command) =>
      runOnPort(command, parts, (context, port) =>
        reputationResetCommand(context, port, { subject, by }),
      ),
    );
  reputation
    .command("blocks")
    .description("who is blocked for his level, until when and why")
    .action((_options, command) => runOnPort(command, parts, reputationBlocksCommand));
  reputation
    .command("unlearn")
    .description("a message was wrongly held or refused: it counts as wanted, its client goes free")
    .argument("<id>", "the reference in the reply, or the X-Postern-Id")
    .action((id: string, _options, command) =>
      runOnPort(command, parts, (context, port) =>
        reputationUnlearnCommand(context, port, { id, by }),
      ),
    );
}

interface AddWords {
  readonly fromMessage?: string;
  readonly client?: string;
  readonly sender?: readonly string[];
  readonly domain?: readonly string[];
  readonly subdomains?: readonly string[];
  readonly scope?: readonly string[];
  readonly unauthenticated?: boolean;
  readonly expires: number;
  readonly reason: string;
}

const DEFAULT_LIFE = "90d";

/** The words of `postern allow` and `postern block`. */
export function addExceptions(program: Command, parts: ProgramParts): void {
  for (const list of ["allow", "block"] as const) {
    const by = whoCommands(parts.streams.env);
    const what = list === "allow" ? "let past spam checks" : "refused";
    const group = program
      .command(list)
      .description(`clients and senders that are ${what}; access.yaml has those without an end`);
    addAdd(group, parts, list);
    group
      .command("list")
      .description("those in force: by command, the latest first, then those of access.yaml")
      .option("--unused", "only those that were never of use", false)
      .action(({ unused }: { readonly unused: boolean }, command) =>
        runOnPort(command, parts, (context, port) =>
          exceptionListCommand(context, port, { list, unused }),
        ),
      );
    group
      .command("remove")
      .description("end one")
      .argument("<id>")
      .action((id: string, _options, command) =>
        runOnPort(command, parts, (context, port) =>
          exceptionRemoveCommand(context, port, { list, id, by }),
        ),
      );
  }
}

function addAdd(group: Command, parts: ProgramParts, list: ExceptionOrder["list"]): void {
  const by = whoCommands(parts.streams.env);
  const command = group
    .command("add")
    .description("make one, or change that for the same client or sender")
    .option("--from-message <id>", "whom this message came from, as narrowly as can be proven")
    .option("--client <address>", "a client or a network of clients")
    .option("--sender <address>", "a sender, may be repeated", collect)
    .option("--domain <domain>", "senders of this domain alone, may be repeated", collect)
    .option("--subdomains <domain>", "senders of this domain and all below it", collect)
    .requiredOption("--reason <text>", "why, for those who find it in two years")
    .addOption(
      new Option("--expires <time>", "when it ends: 12h, 90d, 52w")
        .argParser(parseLife)
        .default(parseLife(DEFAULT_LIFE), DEFAULT_LIFE),
    );
  if (list === "allow")
    command
      .option("--scope <checks>", "only these checks, as dnsbl,reputation,spf", parseScope)
      .option("--unauthenticated", "also when neither SPF nor DKIM proves the sender");
  command.action((words: AddWords, command) => {
    const order = toOrder(list, words, by);
    if (order === null)
      return parts.run(contextOf(command, parts), async ({ err }) => {
        err("name one of --from-message, --client, or --sender, --domain and --subdomains");
        return 2;
      });
    return runOnPort(command, parts, (context, port) => exceptionAddCommand(context, port, order));
  });
}

/** Null: nobody, or too many are named. */
function toOrder(list: ExceptionOrder["list"], words: AddWords, by: string): ExceptionOrder | null {
  const { fromMessage, client, sender, domain, subdomains, scope, unauthenticated } = words;
  const named = {
    ...(sender && { addresses: sender }),
    ...(domain && { domains: domain }),
    ...(subdomains && { domainsAndSubdomains: subdomains }),
  };
  const isSender = Object.keys(named).length > 0;
  const count = [client !== undefined, isSender].filter(Boolean).length;
  if (count > 1 || (count === 0 && fromMessage === undefined)) return null;
  return {
    list,
    ...(fromMessage !== undefined && { fromMessage }),
    ...(client !== undefined && { client }),
    ...(isSender && { sender: named }),
    ...(scope && { scope }),
    ...(unauthenticated === true && { authenticated: false }),
    reason: words.reason,
    lifeMs: words.expires,
    by,
  };
}

function parseLife(text: string): number {
  const ms = parseDuration(text);
  if (ms === null) throw new InvalidArgumentError("expected a time such as 12h, 90d or 52w.");
  return ms;
}

function parseScope(text: string): readonly string[] {
  return text.split(",").map((name) => name.trim());
}
