import { createHash, type KeyObject, verify } from "node:crypto";
import {
  DIGEST_OCTETS,
  digestOf,
  type ExportHeader,
  FIRST_LINE,
  LINE_OCTETS,
  MAX_HEADER_OCTETS,
  parseExportHeader,
} from "./hashed-format.ts";
import { createPacer } from "./pacer.ts";
import { EVERYONE } from "./recipient-key.ts";
import type { RecipientTable } from "./recipient-table.ts";

/** About 2 ms of work. */
const LINES_PER_PORTION = 4096;
/** Octets that are hashed at a time: about 2 ms. */
const HASHED_PER_PORTION = 1024 * 1024;
const NEWLINE = 0x0a;
/** Two clocks never agree; more than this and one of them is wrong. */
export const MAX_AHEAD_MS: number = 60 * 60_000;

/** A recipient export that its key vouches for. */
export interface HashedRecipients extends RecipientTable {
  readonly createdAt: number;
  /** For how long its maker calls it fresh; null: he does not say. */
  readonly freshForMs: number | null;
  /** Counts by domain. */
  readonly domains: ReadonlyMap<string, number>;
}

/**
 * The addresses stay what they are in the file, sorted digests: a look-up is one HMAC and a search.
 * A text is why the file cannot be used: all of it counts or nothing. Lets the event loop turn.
 */
export async function readHashedRecipients(
  bytes: Buffer,
  publicKey: KeyObject,
  now: number,
): Promise<HashedRecipients | string> {
  const parted = part(bytes);
  if (parted === null) return `expected an export that begins with ${FIRST_LINE}`;
  const { signed, signature, headerLine, body } = parted;
  if (!verify(null, signed, publicKey, signature)) return "expected a signature by this `key`";
  const header = parseExportHeader(headerLine);
  if (header === null) return "its header cannot be read: it is of another version";
  const createdAt = Date.parse(header.created);
  if (createdAt > now + MAX_AHEAD_MS)
    return `it was made in the future, ${header.created}: look at both clocks`;
  const octets = header.domains.reduce((sum, { count }) => sum + count, 0) * LINE_OCTETS;
  if (body.length !== octets)
    return `it is not whole: expected ${octets} octets of addresses, got ${body.length}`;
  if ((await sha256Of(body)) !== header.sha256) return "its addresses were changed";
  const digests = await decode(body, header);
  if (digests === null) return "its addresses are not in order";
  const { freshForSeconds } = header;
  return {
    ...toTable(digests, header),
    createdAt,
    freshForMs: freshForSeconds === undefined ? null : freshForSeconds * 1000,
    domains: new Map(header.domains.map(({ name, count }) => [name, count])),
  };
}

interface Parts {
  readonly signed: Buffer;
  readonly signature: Buffer;
  readonly headerLine: string;
  readonly body: Buffer;
}

function part(bytes: Buffer): Parts | null {
  const head = bytes.subarray(0, MAX_HEADER_OCTETS);
  const first = head.indexOf(NEWLINE);
  const second = head.indexOf(NEWLINE, first + 1);
  const third = head.indexOf(NEWLINE, second + 1);
  if (first < 0 || second < 0 || third < 0) return null;
  if (head.toString("latin1", 0, first) !== FIRST_LINE) return null;
  const signatureText = head.toString("latin1", second + 1, third);
  const signature = Buffer.from(signatureText, "base64");
  // One spelling of it: two files that differ are never the same export.
  if (signature.toString("base64") !== signatureText) return null;
  return {
    signed: head.subarray(0, second + 1),
    signature,
    headerLine: head.toString("utf8", first + 1, second),
    body: bytes.subarray(third + 1),
  };
}

async function sha256Of(body: Buffer): Promise<string> {
  const hash = createHash("sha256");
  const pacer = createPacer(1);
  for (let from = 0; from < body.length; from += HASHED_PER_PORTION) {
    hash.update(body.subarray(from, from + HASHED_PER_PORTION));
    if (pacer.due()) await pacer.rest();
  }
  return hash.digest("hex");
}

/** All digests in one piece; null when a domain's do not ascend, so that none would be found. */
async function decode(body: Buffer, { domains }: ExportHeader): Promise<Buffer | null> {
  const lines = body.length / LINE_OCTETS;
  const digests = Buffer.allocUnsafe(lines * DIGEST_OCTETS);
  const pacer = createPacer(1);
  for (let line = 0; line < lines; line += LINES_PER_PORTION) {
    const text = body.toString(
      "latin1",
      line * LINE_OCTETS,
      (line + LINES_PER_PORTION) * LINE_OCTETS,
    );
    // The decoder skips line breaks, and no digest has filling.
    digests.write(text.replaceAll("\n", ""), line * DIGEST_OCTETS, "base64");
    if (pacer.due()) await pacer.rest();
  }
  let from = 0;
  for (const { count } of domains) {
    if (
      !(await isAscending(digests.subarray(from * DIGEST_OCTETS, (from + count) * DIGEST_OCTETS)))
    )
      return null;
    from += count;
  }
  return digests;
}

async function isAscending(digests: Buffer): Promise<boolean> {
  const pacer = createPacer(LINES_PER_PORTION);
  for (let at = DIGEST_OCTETS; at < digests.length; at += DIGEST_OCTETS) {
    const end = at + DIGEST_OCTETS;
    if (digests.compare(digests, at, end, at - DIGEST_OCTETS, at) >= 0) return false;
    if (pacer.due()) await pacer.rest();
  }
  return true;
}

interface HashedDomain {
  readonly salt: Buffer;
  readonly digests: Buffer;
  readonly hasEveryone: boolean;
}

function toTable(all: Buffer, { domains }: ExportHeader): RecipientTable {
  const byName = new Map<string, HashedDomain>();
  let from = 0;
  for (const { name, salt: text, count } of domains) {
    const salt = Buffer.from(text, "base64");
    const digests = all.subarray(from, from + count * DIGEST_OCTETS);
    from += digests.length;
    const hasEveryone = includes(digests, digestOf(salt, { key: EVERYONE, domain: name }));
    byName.set(name, { salt, digests, hasEveryone });
  }
  return {
    has(key, domain) {
      const known = byName.get(domain);
      if (!known) return false;
      if (key === EVERYONE) return known.hasEveryone;
      return includes(known.digests, digestOf(known.salt, { key, domain }));
    },
    count(covers) {
      let total = 0;
      for (const [domain, { digests }] of byName)
        if (covers(domain)) total += digests.length / DIGEST_OCTETS;
      return total;
    },
  };
}

/** Binary search. */
function includes(digests: Buffer, wanted: Buffer): boolean {
  let low = 0;
  let high = digests.length / DIGEST_OCTETS;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = middle * DIGEST_OCTETS;
    const order = digests.compare(wanted, 0, DIGEST_OCTETS, at, at + DIGEST_OCTETS);
    if (order === 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}
