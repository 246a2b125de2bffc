import { type HeaderBlock, parseHeaderBlock } from "../../mail/header-block.ts";
import { signedOctets } from "./canonical-header.ts";
import { type SigningKey, signOctets } from "./signing-key.ts";

/** RFC 5322 2.1.1, with room for the name of the field: no line of a signature is longer. */
const LINE_CHARS = 76;
/** A line of base64. */
const CHUNK_CHARS = 72;
/** RFC 6376 3.5 lets both be folded; a tab is kept by all who fold again. */
const FOLD = "\r\n\t";

/** What a signature says beside its key. Times in seconds since the epoch. */
export interface SignatureFacts {
  readonly bodyHash: Buffer;
  /** h=, lower case, in order. */
  readonly signed: readonly string[];
  readonly signedAt: number;
  readonly expiresAt: number | null;
}

/**
 * A whole DKIM-Signature field over a header section, its line end included (RFC 6376 3.5): both
 * parts relaxed, no l=, no i=. The message stands below it as it is.
 */
export function toDkimSignature(
  headers: HeaderBlock,
  key: SigningKey,
  facts: SignatureFacts,
): Promise<string> {
  return signField("DKIM-Signature", "v=1", headers, key, facts);
}

/** As above, the ARC-Message-Signature of one set (RFC 8617 4.1.2). */
export function toMessageSignature(
  headers: HeaderBlock,
  instance: number,
  key: SigningKey,
  facts: SignatureFacts,
): Promise<string> {
  return signField("ARC-Message-Signature", `i=${instance}`, headers, key, facts);
}

async function signField(
  name: string,
  first: string,
  headers: HeaderBlock,
  key: SigningKey,
  { bodyHash, signed, signedAt, expiresAt }: SignatureFacts,
): Promise<string> {
  const unsigned = foldTags(name, [
    [first],
    [`a=${key.algorithm}`],
    ["c=relaxed/relaxed"],
    [`d=${key.domain}`],
    [`s=${key.selector}`],
    [`t=${signedAt}`],
    ...(expiresAt === null ? [] : [[`x=${expiresAt}`]]),
    toNameList(signed),
    [`bh=${bodyHash.toString("base64")}`],
  ]);
  const octets = signedOctets(headers, { ...unsignedField(unsigned), header: "relaxed", signed });
  return withSignature(unsigned, await signOctets(octets, key));
}

/** A field whose last tag is an empty b=, and where its value would stand. */
export function unsignedField(text: string) {
  const [field] = parseHeaderBlock(Buffer.from(`${text}\r\n`, "latin1")).fields;
  if (!field) throw new TypeError("a signature that is no field");
  const end = field.rawValue.length;
  return { field, signatureAt: { start: end, end } };
}

/** The whole field, in lines. */
export function withSignature(unsigned: string, signature: Buffer): string {
  const chunks = signature.toString("base64").match(new RegExp(`.{1,${CHUNK_CHARS}}`, "g")) ?? [];
  return `${unsigned}${chunks.map((chunk) => FOLD + chunk).join("")}\r\n`;
}

/**
 * `Name: a=…; b=…;` and an empty b= at the end, folded between tags and between the pieces of a
 * tag. No line end.
 */
export function foldTags(name: string, tags: readonly (readonly string[])[]): string {
  const pieces = tags.flatMap((tag) =>
    tag.map((piece, i) => {
      const isLast = i === tag.length - 1;
      return `${i === 0 ? " " : ""}${piece}${isLast ? ";" : ""}`;
    }),
  );
  const lines: string[] = [];
  let line = `${name}:`;
  for (const piece of [...pieces, " b="]) {
    if (line.length + piece.length > LINE_CHARS && line.trim() !== "") {
      lines.push(line);
      line = `\t${piece.trimStart()}`;
    } else line += piece;
  }
  return [...lines, line].join("\r\n");
}

function toNameList(names: readonly string[]): readonly string[] {
  return names.map((name, i) => {
    const end = i === names.length - 1 ? "" : ":";
    return `${i === 0 ? "h=" : ""}${name}${end}`;
  });
}
