import { hash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { DRAFT_NAME, replaceFile } from "../../base/replace-file.ts";
import { parseStsPolicy, policyLines, type StsPolicy } from "./mta-sts-policy.ts";

/** A policy as it was fetched. Times in milliseconds since the epoch: they outlive a restart. */
export interface KeptPolicy {
  readonly domain: string;
  /** Of the TXT record that led to it. */
  readonly id: string;
  readonly policy: StsPolicy;
  readonly fetchedAt: number;
  /** When mail last went there, a day more or less. */
  readonly usedAt: number;
}

/** One small file a domain. Every process of ours may read and write; the last writer wins. */
export interface StsStore {
  /** Null also for a file that cannot be read. */
  read(domain: string): Promise<KeptPolicy | null>;
  write(kept: KeptPolicy): Promise<void>;
  remove(domain: string): Promise<void>;
  list(): Promise<readonly KeptPolicy[]>;
}

/** Domains that our users write to; beyond it only those read or written now are kept up to date. */
const MAX_LISTED = 10_000;
const SUFFIX = ".json";

export function createStsStore(folder: string): StsStore {
  const pathOf = (domain: string) => join(folder, `${hash("sha256", domain)}${SUFFIX}`);
  return {
    async read(domain) {
      const kept = await readKept(pathOf(domain));
      return kept?.domain === domain ? kept : null;
    },
    async write(kept) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await replaceFile(pathOf(kept.domain), 0o600, [toText(kept)]);
    },
    remove: (domain) => rm(pathOf(domain), { force: true }),
    async list() {
      const names = await readdir(folder).catch(() => []);
      await removeOldDrafts(folder, names);
      const own = names.filter((name) => name.endsWith(SUFFIX)).slice(0, MAX_LISTED);
      const all: KeptPolicy[] = [];
      for (const name of own) {
        const kept = await readKept(join(folder, name));
        if (kept) all.push(kept);
        // Damaged, or of another version: it would only be passed over again and again.
        else await rm(join(folder, name), { force: true });
      }
      return all;
    },
  };
}

/** What a crash left. A draft that is being written is seconds old. */
const OLD_DRAFT_MS = 60 * 60 * 1000;

async function removeOldDrafts(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names.filter((name) => DRAFT_NAME.test(name))) {
    const path = join(folder, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (Date.now() - mtimeMs > OLD_DRAFT_MS) await rm(path, { force: true });
  }
}

/** The policy as its lines: what reads a host's answer reads it again, and checks it. */
function toText({ policy, ...rest }: KeptPolicy): string {
  return `${JSON.stringify({ ...rest, policy: policyLines(policy).join("\n") })}\n`;
}

async function readKept(path: string): Promise<KeptPolicy | null> {
  try {
    const { domain, id, fetchedAt, usedAt, policy } = JSON.parse(await readFile(path, "utf8"));
    const parsed = parseStsPolicy(String(policy));
    if (parsed.kind !== "policy" || typeof domain !== "string" || typeof id !== "string")
      return null;
    if (!Number.isFinite(fetchedAt) || !Number.isFinite(usedAt)) return null;
    return { domain, id, policy: parsed.policy, fetchedAt, usedAt };
  } catch {
    return null;
  }
}
