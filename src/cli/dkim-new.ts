import { chown, mkdir, open, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { type RecordText, toRecordText } from "../auth/dkim/record-text.ts";
import { type KeyType, makeSigningKey, parseSigningKey } from "../auth/dkim/signing-key.ts";
import { parseDomainName } from "../mail/domain-name.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { toJsonLine } from "./visible-text.ts";

export interface DkimNewOptions {
  readonly selector?: string;
  readonly type: KeyType;
  readonly bits: number;
  readonly output?: string;
}

export interface DkimNewDependencies {
  /** Throws PolicyError. Where the policies are is the default place of the key. */
  loadSettings(input: {
    readonly file?: string | undefined;
    readonly env: CliContext["env"];
    readonly cwd: string;
  }): Promise<{ readonly policies: string }>;
  readonly now: number;
}

/** `postern dkim new DOMAIN`: the private half into a file of its own, the public half to be read. */
export async function dkimNewCommand(
  context: CliContext,
  spoken: string,
  options: DkimNewOptions,
  { loadSettings, now }: DkimNewDependencies,
): Promise<number> {
  const domain = parseDomainName(spoken, { utf8: true });
  const selector = parseDomainName(options.selector ?? monthly(options.type, now), { utf8: false });
  if (!domain?.includes(".")) return wrong(context, `expected a domain, got ${spoken}`);
  if (!selector) return wrong(context, `expected a selector, got ${options.selector}`);
  const { cwd, env, settingsFile } = context;
  const policies =
    options.output === undefined
      ? (await loadSettings({ file: settingsFile, env, cwd })).policies
      : null;
  const name = join("dkim", `${domain}.${selector}.pem`);
  const file = policies === null ? resolve(cwd, options.output ?? "") : resolve(policies, name);
  const pem = makeSigningKey(options.type, options.bits);
  const key = parseSigningKey(pem);
  if (typeof key === "string") return wrong(context, key);
  if (policies !== null) await makeFolder(dirname(file), policies);
  await writeNew(file, pem);
  const record = toRecordText({ ...key, domain, selector });
  const named = policies === null ? file : withinFolder(policies, file);
  if (context.json) context.out(toJsonLine({ file, domain, selector, ...record }));
  else for (const line of toLines(file, named, domain, selector, record)) context.out(line);
  return EXIT.ok;
}

/** `r202611`: a new key needs a new selector, while mail signed with the old one is under way. */
function monthly(type: KeyType, now: number): string {
  return `${type.charAt(0)}${new Date(now).toISOString().slice(0, 7).replace("-", "")}`;
}

async function makeFolder(folder: string, within: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (made !== undefined) await giveAway(folder, within);
}

/** To whoever owns the folder around it: root makes keys, and the gateway is seldom root. */
async function giveAway(path: string, around: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(around);
  await chown(path, uid, gid);
}

/** Never over another, whose record is published. */
async function writeNew(file: string, pem: string): Promise<void> {
  const handle = await open(file, "wx", 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
    throw new Error(`${file} is there already and stays; --selector names another key`);
  });
  try {
    await handle.writeFile(pem);
    await handle.sync();
    await giveAway(file, dirname(file));
  } finally {
    await handle.close();
  }
}

function withinFolder(folder: string, file: string): string {
  const short = relative(folder, file);
  return short.startsWith("..") || isAbsolute(short) ? file : short;
}

function toLines(
  file: string,
  named: string,
  domain: string,
  selector: string,
  { value, zone }: RecordText,
): readonly string[] {
  return [
    `${file}: the private key; only its owner may read it`,
    "",
    "DNS, in a zone file:",
    ...zone,
    "",
    "or as one value, of a TXT record named",
    `${selector}._domainkey.${domain}`,
    value,
    "",
    "When it is published, and `postern dkim show` finds it, write into signing.yaml:",
    `keys: { ${domain}: { selector: ${selector}, file: ${named} } }`,
  ];
}

function wrong({ err }: CliContext, message: string): number {
  err(message);
  return EXIT.usage;
}
