import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type KeyType,
  makeSigningKey,
  parseSigningKey,
  type SigningKey,
  toKeyRecord,
} from "../../src/auth/dkim/signing-key.ts";
import type { SigningPolicy } from "../../src/policy/snapshot.ts";

/** A fresh key for a domain; short, where its length does not matter. */
export function toSigningKey(
  domain: string,
  selector: string,
  type: KeyType = "rsa",
  bits = 1024,
): SigningKey {
  const key = parseSigningKey(makeSigningKey(type, bits));
  if (typeof key === "string") throw new Error(key);
  return { ...key, domain, selector };
}

/** What DNS says of these keys, as toZoneResolver takes it. */
export function toKeyZone(keys: readonly SigningKey[]): Record<string, readonly string[]> {
  return Object.fromEntries(
    keys.map((key) => [`TXT ${key.selector}._domainkey.${key.domain}`, [toKeyRecord(key)]]),
  );
}

/** A policy that signs for the domains of these keys. */
export function toSigningPolicy(
  keys: readonly SigningKey[],
  more: Partial<SigningPolicy> = {},
): SigningPolicy {
  const named = keys.map((key) => ({ ...key, file: "key.pem" }));
  return {
    keysFor: (domain) => named.filter((key) => key.domain === domain),
    all: named.map((key) => ({ pattern: key.domain, keys: [key] })),
    expiresMs: null,
    onFailure: "defer",
    sealing: null,
    ...more,
  };
}

export interface KeyFiles extends AsyncDisposable {
  readonly folder: string;
  /** Makes a key file with that mode, or puts another key into it. */
  make(name: string, type?: KeyType, mode?: number): Promise<{ file: string; record: string }>;
}

/** A folder of key files, gone at the end. */
export async function createKeyFiles(): Promise<KeyFiles> {
  const folder = await mkdtemp(join(tmpdir(), "postern-keys-"));
  return {
    folder,
    async make(name, type = "rsa", mode = 0o600) {
      const file = join(folder, name);
      const pem = makeSigningKey(type, 1024);
      await writeFile(file, pem, { mode });
      await chmod(file, mode);
      const key = parseSigningKey(pem);
      if (typeof key === "string") throw new Error(key);
      return { file, record: toKeyRecord(key) };
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
