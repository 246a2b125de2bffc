import { type Command, Option } from "commander";
import { collect, type RunCommand } from "./command-parts.ts";
import type { ExportOptions } from "./recipients-export.ts";

/** Everybody in Active Directory who has an address, and everybody elsewhere. */
const DEFAULT_FILTER = "(|(mail=*)(proxyAddresses=*))";

/** `postern recipients …`: made for the inside, where there are no settings and no gateway. */
export function addRecipients(program: Command, run: RunCommand): void {
  const recipients = program.command("recipients").description("lists of who exists inside");
  recipients
    .command("keygen")
    .description("make the key that signs exports, once")
    .requiredOption("-o, --output <file>", "file for the private key")
    .action((options: { readonly output: string }, command) =>
      run(command, async (context) => {
        const { recipientsKeygenCommand } = await import("./recipients-keygen.ts");
        return recipientsKeygenCommand(context, options);
      }),
    );
  addExport(recipients, run);
  recipients
    .command("show")
    .description("whether an export is whole and signed, and what is in it")
    .argument("<file>")
    .requiredOption("--key <key>", "the public key")
    .option("--address <address>", "whether this one is in it")
    .action((file: string, options: { readonly key: string; readonly address?: string }, command) =>
      run(command, async (context) => {
        const { recipientsShowCommand } = await import("./recipients-show.ts");
        return recipientsShowCommand(context, { file, ...options });
      }),
    );
}

function addExport(recipients: Command, run: RunCommand): void {
  recipients
    .command("export")
    .description("make a signed file of hashed addresses from a directory")
    .addOption(
      new Option("--format <format>", "where the addresses are")
        .choices(["csv", "ldif", "ldap"])
        .makeOptionMandatory(),
    )
    .requiredOption("-o, --output <file>", "file to make, or to replace as a whole")
    .requiredOption("--key <file>", "the private key that keygen made")
    .option("--domain <domain>", "only addresses of it, may be repeated; *.DOMAIN too", collect)
    .option("--fresh-for <time>", "how long the list is right, such as 24h")
    .option("--force", "also when it has less than half of the addresses of before", false)
    .option("--input <file>", "csv, ldif: the file")
    .option("--column <column>", "csv: name or number of a column, may be repeated", collect)
    .option("--separator <character>", "csv: what parts the columns, or tab", ",")
    .option("--attribute <name>", "ldif, ldap: default mail and proxyAddresses", collect)
    .option("--url <url>", "ldap: ldaps://HOST, or ldap://HOST with --start-tls")
    .option("--start-tls", "ldap: encrypt the connection", false)
    .option("--ca <file>", "ldap: certificates that vouch for the server; default: the system's")
    .option("--bind-dn <dn>", "ldap: who asks; the password is in --password-file")
    .option("--password-file <file>", "ldap: default POSTERN_LDAP_PASSWORD")
    .option("--base <dn>", "ldap: where to search")
    .option("--filter <filter>", "ldap: whom to take", DEFAULT_FILTER)
    .option("--page-size <count>", "ldap: entries in one answer", "500")
    .action((options: ExportOptions, command) =>
      run(command, async (context) => {
        const { recipientsExportCommand } = await import("./recipients-export.ts");
        return recipientsExportCommand(context, options);
      }),
    );
}
