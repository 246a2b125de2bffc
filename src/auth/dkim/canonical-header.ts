import { type HeaderBlock, toNameKey, trimBlanks } from "../../mail/header-block.ts";
import { lenientName } from "../../mail/lenient-name.ts";
import type { Canonicalization, DkimSignature } from "./dkim-signature.ts";

/**
 * The octets that b= signs (RFC 6376 3.7): the fields that h= names, each name from the last field
 * upwards (5.4.2), and the signature itself without its value. A name without a field left adds
 * nothing, which is how a signer forbids that one is added.
 */
export function signedOctets(
  headers: HeaderBlock,
  signature: Pick<DkimSignature, "field" | "signatureAt" | "header" | "signed">,
): Buffer {
  const { field: own, signatureAt, header: mode } = signature;
  const taken = new Map<string, number>();
  const parts: string[] = [];
  for (const name of signature.signed) {
    const fields = headers.all(name);
    let at = taken.get(name) ?? fields.length;
    do at -= 1;
    while (at >= 0 && fields[at] === own);
    taken.set(name, Math.max(at, 0));
    const field = fields[at];
    if (field) parts.push(canonicalField(field.name, field.rawValue, mode), "\r\n");
  }
  const { rawValue } = own;
  const emptied = rawValue.slice(0, signatureAt.start) + rawValue.slice(signatureAt.end);
  parts.push(canonicalField(own.name, emptied, mode));
  return Buffer.from(parts.join(""), "latin1");
}

/** RFC 6376 3.4.1 and 3.4.2, without the final line end. */
export function canonicalField(name: string, rawValue: string, mode: Canonicalization): string {
  if (mode === "simple") return `${name}:${rawValue}`;
  const value = trimBlanks(rawValue.replace(/\r?\n/g, "").replace(/[ \t]+/g, " "));
  return `${toNameKey(name)}:${value}`;
}

/** Of these names, those of which the message has more fields than the signature covers. */
export function unsignedNames(
  headers: HeaderBlock,
  signed: readonly string[],
  names: readonly string[],
): readonly string[] {
  return names.filter((name) => {
    const covered = signed.filter((one) => one === name).length;
    return headers.fields.filter((field) => lenientName(field) === name).length > covered;
  });
}
