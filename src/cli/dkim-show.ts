import { createKeyLookup } from "../auth/dkim/key-lookup.ts";
import { lookUpOwnKey, type PublishedKey } from "../auth/dkim/published-key.ts";
import { toRecordText } from "../auth/dkim/record-text.ts";
import type { SigningKey } from "../auth/dkim/signing-key.ts";
import { createLog, type Log } from "../base/log.ts";
import { type DkimCheckInput, ownKeys } from "../doctor/dkim-check.ts";
import { isWithin, parseDomainName } from "../mail/domain-name.ts";
import { createLookupScope } from "../net/resolver.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

export interface DkimShowOptions {
  readonly selector?: string;
}

export interface DkimShowDependencies<Settings> {
  /** Throws PolicyError. */
  loadSettings(input: {
    readonly file?: string | undefined;
    readonly env: CliContext["env"];
    readonly cwd: string;
  }): Promise<Settings>;
  /** The keys of the policies, and DNS. Throws PolicyError. */
  openSigningProbe(settings: Settings, log: Log): Promise<DkimCheckInput & { close(): void }>;
}

const PATIENCE_MS = 30_000;

/** `postern dkim show DOMAIN`: 1 when there is no key, or DNS has not what it should. */
export async function dkimShowCommand<Settings>(
  context: CliContext,
  spoken: string,
  { selector }: DkimShowOptions,
  { loadSettings, openSigningProbe }: DkimShowDependencies<Settings>,
): Promise<number> {
  const { cwd, env, settingsFile, err } = context;
  const domain = parseDomainName(spoken, { utf8: true }) ?? spoken;
  const settings = await loadSettings({ file: settingsFile, env, cwd });
  const log = createLog({ level: "error", format: "json", write: (line) => err(line.trimEnd()) });
  const probe = await openSigningProbe(settings, log);
  try {
    const keys = ownKeys(probe.signing).filter(
      (key) =>
        isWithin(domain, key.domain) && (selector === undefined || key.selector === selector),
    );
    const scope = createLookupScope(AbortSignal.timeout(PATIENCE_MS));
    const lookup = createKeyLookup(probe.resolver, scope);
    const shown = await Promise.all(
      keys.map(async (key) => ({ key, found: await lookUpOwnKey(key, lookup) })),
    );
    for (const one of shown) show(context, one.key, one.found);
    if (shown.length === 0) err(`signing.yaml has no such key for ${toVisible(domain)}`);
    const isFine = shown.length > 0 && shown.every(({ found }) => found.kind === "published");
    return isFine ? EXIT.ok : EXIT.negative;
  } finally {
    probe.close();
  }
}

function show({ out, json }: CliContext, key: SigningKey, found: PublishedKey): void {
  const { domain, selector, algorithm, bits } = key;
  const record = toRecordText(key);
  if (json) {
    out(toJsonLine({ domain, selector, algorithm, bits, ...record, dns: found }));
    return;
  }
  const lines = [`${record.name}: ${algorithm}, ${bits} bits`, ...record.zone, inWords(found), ""];
  for (const line of lines) out(toVisible(line));
}

function inWords(found: PublishedKey): string {
  switch (found.kind) {
    case "published":
      return found.isTesting ? "DNS has it, with t=y: nobody need heed it" : "DNS has it";
    case "wrong":
      return `DNS has not got it: ${found.reason}`;
    case "unknown":
      return `DNS did not answer: ${found.reason}`;
  }
}
