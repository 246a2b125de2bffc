import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { DirectoryValue } from "../policy/directory/address-value.ts";
import type { CliContext } from "./cli-context.ts";

/** Where the addresses are, as the command line says it. */
export interface DirectoryOptions {
  readonly format: "csv" | "ldif" | "ldap";
  readonly input?: string;
  readonly column?: readonly string[];
  readonly separator: string;
  readonly attribute?: readonly string[];
  readonly url?: string;
  readonly startTls: boolean;
  readonly ca?: string;
  readonly bindDn?: string;
  readonly passwordFile?: string;
  readonly base?: string;
  readonly filter: string;
  readonly pageSize: string;
}

/** Attributes of Active Directory; mail is the only one of others. */
const USUAL_ATTRIBUTES: readonly string[] = ["mail", "proxyAddresses"];
const MAX_PAGE_SIZE = 10_000;

/** Throws when the words do not fit the format. */
export async function openDirectory(
  context: CliContext,
  options: DirectoryOptions,
): Promise<AsyncIterable<DirectoryValue>> {
  const { format, column = [], separator, attribute = USUAL_ATTRIBUTES } = options;
  if (format === "ldap") return openLdap(context, options, attribute);
  if (options.input === undefined) throw new Error(`--format ${format}: expected --input FILE`);
  const { textOf } = await import("../policy/directory/directory-text.ts");
  const text = textOf(resolve(context.cwd, options.input));
  if (format === "ldif") {
    const { ldifAddresses } = await import("../policy/directory/ldif-addresses.ts");
    return ldifAddresses(text, attribute);
  }
  const { csvAddresses } = await import("../policy/directory/csv-addresses.ts");
  return csvAddresses(text, { columns: column, separator: toSeparator(separator) });
}

function toSeparator(text: string): string {
  const separator = text === "tab" || text === "\\t" ? "\t" : text;
  if (separator.length === 1 && separator !== '"') return separator;
  throw new Error(`--separator: expected one character or tab, got ${text}`);
}

async function openLdap(
  context: CliContext,
  options: DirectoryOptions,
  attributes: readonly string[],
): Promise<AsyncIterable<DirectoryValue>> {
  const { url, base, ca, startTls, filter } = options;
  if (url === undefined || base === undefined)
    throw new Error("--format ldap: expected --url and --base");
  const pageSize = /^\d{1,5}$/.test(options.pageSize) ? Number(options.pageSize) : 0;
  if (pageSize < 1 || pageSize > MAX_PAGE_SIZE)
    throw new Error(`--page-size: expected a number from 1 to ${MAX_PAGE_SIZE}`);
  const { ldapAddresses } = await import("../policy/directory/ldap-addresses.ts");
  return ldapAddresses({
    url,
    startTls,
    ca: ca === undefined ? null : await readFile(resolve(context.cwd, ca), "utf8"),
    bind: await bindOf(context, options),
    base,
    filter,
    attributes,
    pageSize,
  });
}

/** A password on the command line would be seen by everybody on the machine. */
async function bindOf(
  { cwd, env }: CliContext,
  { bindDn, passwordFile }: DirectoryOptions,
): Promise<{ readonly dn: string; readonly password: string } | null> {
  if (bindDn === undefined) return null;
  const password =
    passwordFile === undefined
      ? env.POSTERN_LDAP_PASSWORD
      : (await readFile(resolve(cwd, passwordFile), "utf8")).replace(/\r?\n$/, "");
  // RFC 4513 5.1.2: a name without a password succeeds as nobody.
  if (!password)
    throw new Error("expected --password-file or POSTERN_LDAP_PASSWORD beside --bind-dn");
  return { dn: bindDn, password };
}
