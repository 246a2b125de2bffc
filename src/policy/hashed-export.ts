import { createHash, type KeyObject, sign } from "node:crypto";
import {
  digestOf,
  type ExportHeader,
  FIRST_LINE,
  LINE_OCTETS,
  MAX_EXPORT_OCTETS,
  MAX_HEADER_OCTETS,
} from "./hashed-format.ts";
import type { RecipientEntry } from "./recipient-key.ts";

/** An export in the making. It keeps no address, only what is written of it. */
export interface ExportBuilder {
  add(entry: RecipientEntry): void;
  /** Its octets, to be written one piece after the other, and what is in them. */
  finish(about: ExportAbout): MadeExport;
}

export interface ExportAbout {
  readonly createdAt: number;
  readonly freshForMs: number | null;
  readonly privateKey: KeyObject;
}

export interface MadeExport {
  readonly pieces: readonly Buffer[];
  /** How many different addresses of each domain. */
  readonly domains: ReadonlyMap<string, number>;
}

/** The same salts, times and addresses make the same file, in whatever order they come. */
export function createExportBuilder(saltFor: (domain: string) => Buffer): ExportBuilder {
  const byDomain = new Map<string, { readonly salt: Buffer; readonly digests: string[] }>();
  return {
    add(entry) {
      const own = byDomain.get(entry.domain) ?? { salt: saltFor(entry.domain), digests: [] };
      byDomain.set(entry.domain, own);
      own.digests.push(digestOf(own.salt, entry).toString("latin1"));
    },
    finish(about) {
      const names = [...byDomain.keys()].sort();
      const domains: ExportHeader["domains"] = [];
      const bodies: Buffer[] = [];
      for (const name of names) {
        const own = byDomain.get(name);
        if (!own) continue;
        const body = bodyOf(own.digests);
        bodies.push(body);
        const count = body.length / LINE_OCTETS;
        domains.push({ name, salt: own.salt.toString("base64"), count });
      }
      const pieces = [headOf(domains, bodies, about), ...bodies];
      const counts = new Map(domains.map(({ name, count }) => [name, count]));
      return { pieces, domains: counts };
    },
  };
}

/** In the order of their octets, each once. */
function bodyOf(digests: string[]): Buffer {
  digests.sort();
  const body = Buffer.alloc(digests.length * LINE_OCTETS);
  let length = 0;
  let before = "";
  for (const digest of digests) {
    if (digest === before) continue;
    before = digest;
    const text = Buffer.from(digest, "latin1").toString("base64");
    length += body.write(`${text}\n`, length, "latin1");
  }
  return body.subarray(0, length);
}

function headOf(
  domains: ExportHeader["domains"],
  bodies: readonly Buffer[],
  { createdAt, freshForMs, privateKey }: ExportAbout,
): Buffer {
  const hash = createHash("sha256");
  for (const body of bodies) hash.update(body);
  const header: ExportHeader = {
    created: new Date(createdAt).toISOString(),
    ...(freshForMs !== null && { freshForSeconds: Math.round(freshForMs / 1000) }),
    domains,
    sha256: hash.digest("hex"),
  };
  const signed = Buffer.from(`${FIRST_LINE}\n${JSON.stringify(header)}\n`);
  const signature = sign(null, signed, privateKey).toString("base64");
  const head = Buffer.concat([signed, Buffer.from(`${signature}\n`)]);
  const octets = bodies.reduce((sum, { length }) => sum + length, head.length);
  if (head.length > MAX_HEADER_OCTETS)
    throw new Error(
      `${domains.length} domains are too many: name those that you own with --domain`,
    );
  if (octets > MAX_EXPORT_OCTETS)
    throw new Error(`${octets} octets are more than a gateway reads (${MAX_EXPORT_OCTETS})`);
  return head;
}
