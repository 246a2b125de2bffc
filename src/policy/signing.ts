import { isSameKey, parseSigningKey } from "../auth/dkim/signing-key.ts";
import { errorText } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import { isWithin } from "../mail/domain-name.ts";
import { checkShape } from "./check-shape.ts";
import type { ReadNamedFile } from "./connector-files.ts";
import { mostSpecific } from "./domain-pattern.ts";
import { formatDuration } from "./duration.ts";
import type { Limits } from "./limits.ts";
import {
  parseKeyPattern,
  type SigningFile,
  signerOf,
  signingSchema,
  type WrittenKey,
} from "./signing-file.ts";
import type { Domains, NamedSigningKey, SealingPolicy, SigningPolicy } from "./snapshot.ts";
import type { Path, Source } from "./source.ts";

/** What signing.yaml must fit; undefined where that file has mistakes of its own. */
export interface SigningSurroundings {
  readonly domains: Domains | undefined;
  readonly delivery: Limits["delivery"] | undefined;
  /** Names of the stages for strangers' mail. */
  readonly inbound: ReadonlySet<string>;
}

/** Undefined after every mistake was reported. Key files are read and tried here, never later. */
export async function compileSigning(
  source: Source,
  read: ReadNamedFile,
  around: SigningSurroundings,
): Promise<SigningPolicy | undefined> {
  const file = checkShape(signingSchema, source);
  if (!file) return undefined;
  const entries: Entry[] = [];
  for (const [text, written] of Object.entries(file.keys)) {
    const pattern = parseKeyPattern(text);
    const path: Path = ["keys", text];
    if (pattern === null) source.complain(path, "expected a domain or *.domain", "key");
    else if (entries.some((entry) => entry.pattern === pattern))
      source.complain(path, `\`${pattern}\` has its keys already`, "key");
    else {
      checkOwn(signerOf(pattern), around.domains, path, source);
      entries.push({ pattern, path, keys: await readKeys(pattern, written, path, source, read) });
    }
  }
  checkNames(entries, source);
  checkExpiry(file, around, source);
  const sealing = file.arc && (await readSealing(file.arc, source, read, around));
  return toPolicy(file, entries, sealing);
}

interface Entry {
  readonly pattern: string;
  readonly path: Path;
  readonly keys: readonly NamedSigningKey[];
}

function toPolicy(
  { expires, onFailure }: SigningFile,
  all: readonly Entry[],
  sealing: SealingPolicy | null,
): SigningPolicy {
  const byPattern = new Map(all.map(({ pattern, keys }) => [pattern, keys]));
  return {
    keysFor: (domain) => mostSpecific(byPattern, domain) ?? [],
    all,
    expiresMs: expires,
    onFailure,
    sealing,
  };
}

/** A key speaks for a domain and what is below it: for a stranger's it would be a forger's tool. */
function checkOwn(signer: string, domains: Domains | undefined, path: Path, source: Source): void {
  const isOwn = domains?.all.some(({ name }) => isWithin(signer, signerOf(name))) ?? true;
  if (!isOwn)
    source.complain(
      path,
      `expected a domain of domains.yaml or below one, got \`${signer}\``,
      "key",
    );
}

async function readKeys(
  pattern: string,
  written: WrittenKey | readonly WrittenKey[],
  path: Path,
  source: Source,
  read: ReadNamedFile,
): Promise<readonly NamedSigningKey[]> {
  const isList = Array.isArray(written);
  const list: readonly WrittenKey[] = isList ? written : [written as WrittenKey];
  const keys: NamedSigningKey[] = [];
  for (const [index, one] of list.entries()) {
    const at = isList ? [...path, index] : path;
    const { selector } = one;
    if (keys.some((key) => key.selector === selector)) {
      source.complain([...at, "selector"], `\`${selector}\` is used twice: DNS has one key there`);
      continue;
    }
    const key = await readKey(signerOf(pattern), one, at, source, read);
    if (key) keys.push(key);
  }
  return keys;
}

async function readKey(
  domain: string,
  { selector, file }: WrittenKey,
  path: Path,
  source: Source,
  read: ReadNamedFile,
): Promise<NamedSigningKey | null> {
  const at = [...path, "file"];
  try {
    const key = parseSigningKey(await read(file, { isSecret: true }));
    if (typeof key !== "string") return { ...key, domain, selector, file };
    source.complain(at, `\`${file}\`: ${key}`);
  } catch (error) {
    source.complain(at, `\`${file}\` cannot be read: ${errorText(error)}`);
  }
  return null;
}

/** A domain and its wildcard sign as the same name: DNS has one key for a selector of it. */
function checkNames(entries: readonly Entry[], source: Source): void {
  const known = new Map<string, NamedSigningKey>();
  for (const { path, keys } of entries) {
    for (const key of keys) {
      const name = `${key.selector}._domainkey.${key.domain}`;
      const first = known.get(name) ?? key;
      known.set(name, first);
      if (!isSameKey(first, key)) source.complain(path, `${name} is of another key already`, "key");
    }
  }
}

async function readSealing(
  arc: NonNullable<SigningFile["arc"]>,
  source: Source,
  read: ReadNamedFile,
  { domains, inbound }: SigningSurroundings,
): Promise<SealingPolicy | null> {
  const path: Path = ["arc"];
  checkOwn(arc.domain, domains, path, source);
  // What a seal says of the chain before it, that stage has found out.
  if (!inbound.has("arc"))
    source.complain(path, "stage `arc`, which this needs, is not in pipeline.yaml", "key");
  const key = await readKey(arc.domain, arc, path, source, read);
  return key && { key, when: arc.seal };
}

/** A message that waits in the queue must not arrive with a signature that is over. */
function checkExpiry(
  { expires }: SigningFile,
  { delivery }: SigningSurroundings,
  source: Source,
): void {
  if (expires === null || !delivery) return;
  const leastMs = delivery.giveUpAfterSeconds * 1000;
  if (expires < leastMs)
    source.complain(
      ["expires"],
      `expected at least ${formatDuration(leastMs)}, which mail may wait in the queue (limits.yaml, delivery.giveUpAfterSeconds)`,
    );
}

/** Everything but the keys. */
export function showSigning({ all, expiresMs, onFailure, sealing }: SigningPolicy): Json {
  return {
    keys: Object.fromEntries(all.map(({ pattern, keys }) => [pattern, keys.map(showKey)])),
    expires: expiresMs === null ? null : formatDuration(expiresMs),
    onFailure,
    arc: sealing && { domain: sealing.key.domain, ...showKey(sealing.key), seal: sealing.when },
  };
}

function showKey({ selector, file, algorithm, bits }: NamedSigningKey) {
  return { selector, file, algorithm, bits };
}
