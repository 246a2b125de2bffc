import { createHmac } from "node:crypto";
import { z } from "zod";
import { EVERYONE, type RecipientEntry } from "./recipient-key.ts";

// A recipient export: three lines, then one line of base64 for each address.
//
//   postern-recipients 1
//   {"created":…,"freshForSeconds":…,"domains":[{"name":…,"salt":…,"count":…}],"sha256":…}
//   the Ed25519 signature of the two lines above, their line breaks included, in base64
//
// The addresses stand domain by domain in the order of the header, and in ascending order, which says
// nothing of the directory's. `sha256` is that of all octets behind the third line: a signature over
// 25 MB would hold up a gateway that checks it.
//
// What the salt is for: who has the file cannot look its lines up in a table made before, cannot
// compare two exports, and must guess at each domain anew. What it is not for: it stands in the file,
// and who has the file can try names, some million a second. A name that can be guessed is found.

export const FIRST_LINE = "postern-recipients 1";

/** Of the 32 octets of HMAC-SHA-256 (RFC 2104 section 5 permits half): 24 base64 digits, no filling. */
export const DIGEST_OCTETS = 18;
export const LINE_OCTETS = 25;
export const SALT_OCTETS = 16;
/** Two and a half million addresses. */
export const MAX_EXPORT_OCTETS: number = 64 * 1024 * 1024;
/** The header is read whole before its signature can be. */
export const MAX_HEADER_OCTETS: number = 1024 * 1024;

const header = z.strictObject({
  created: z.iso.datetime(),
  freshForSeconds: z.int().min(60).optional(),
  domains: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        salt: z.string().regex(/^[A-Za-z0-9+/]{22}==$/),
        count: z.int().min(1),
      }),
    )
    .min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

export type ExportHeader = z.infer<typeof header>;

export function parseExportHeader(line: string): ExportHeader | null {
  try {
    return header.parse(JSON.parse(line));
  } catch {
    return null;
  }
}

/** Of `local@domain` in its canonical form; of the domain alone for everyone there. */
export function digestOf(salt: Buffer, { key, domain }: RecipientEntry): Buffer {
  const address = key === EVERYONE ? domain : `${key}@${domain}`;
  return createHmac("sha256", salt).update(address).digest().subarray(0, DIGEST_OCTETS);
}

/** How many addresses an export says it has, unchecked; null for what is none. */
export function countOfExport(bytes: Buffer): number | null {
  const [first, header] = bytes.toString("utf8", 0, MAX_HEADER_OCTETS).split("\n", 2);
  const parsed = first === FIRST_LINE ? parseExportHeader(header ?? "") : null;
  return parsed?.domains.reduce((sum, { count }) => sum + count, 0) ?? null;
}
