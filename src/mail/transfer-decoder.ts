import { createBase64Decoder } from "./base64-decoder.ts";
import type { MimeNote } from "./mime-part.ts";
import { QuotedPrintableDecoder } from "./quoted-printable-decoder.ts";
import { createUuencodeDecoder } from "./uuencode-decoder.ts";

/** Decodes octets as they stream by. Lenient as mail readers are; linear; never throws. */
export interface TransferDecoder {
  /** The octets that are certain by now. May be a slice of the chunk. */
  write(chunk: Buffer): Buffer;
  /** What was held back. */
  end(): Buffer;
  notes(): readonly MimeNote[];
}

const UUENCODE_NAMES: readonly string[] = ["x-uuencode", "uuencode", "x-uue", "uue"];
const IDENTITY_NAMES: readonly string[] = ["", "7bit", "8bit", "binary"];

/** True when octets stand in the message as they are meant (RFC 2045 6.2). */
export function isIdentityEncoding(encoding: string): boolean {
  return IDENTITY_NAMES.includes(encoding) || !isKnownEncoding(encoding);
}

export function isKnownEncoding(encoding: string): boolean {
  return (
    encoding === "base64" ||
    encoding === "quoted-printable" ||
    UUENCODE_NAMES.includes(encoding) ||
    IDENTITY_NAMES.includes(encoding)
  );
}

/** `encoding` in lower case. An unknown one is read as it stands. */
export function createTransferDecoder(encoding: string): TransferDecoder {
  if (encoding === "base64") return createBase64Decoder();
  if (encoding === "quoted-printable") return new QuotedPrintableDecoder();
  if (UUENCODE_NAMES.includes(encoding)) return createUuencodeDecoder();
  return { write: (chunk) => chunk, end: () => Buffer.alloc(0), notes: () => [] };
}
