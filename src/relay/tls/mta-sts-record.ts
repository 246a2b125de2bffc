import { fieldsOf } from "./txt-fields.ts";

/** RFC 8461 3.1: what a domain's TXT record says. */
export type StsRecord =
  | { readonly kind: "record"; readonly id: string }
  /** It does not take part. */
  | { readonly kind: "none" }
  /** It wants to, and cannot be understood: as if it did not. */
  | { readonly kind: "invalid"; readonly reason: string };

const VERSION = /^v=STSv1[ \t]*;/;
/** A name of at most 32 characters, `=`, a value without `;` and `=`. */
const FIELD = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([\x21-\x3a\x3c\x3e-\x7e]+)$/;
const ID = /^[A-Za-z0-9]{1,32}$/;

/** Of all TXT records at `_mta-sts.<domain>`; those that do not begin with the version are others'. */
export function parseStsRecord(texts: readonly string[]): StsRecord {
  const own = texts.filter((text) => VERSION.test(text));
  const [text] = own;
  if (text === undefined) return { kind: "none" };
  if (own.length > 1) return invalid("more than one record");
  const fields = fieldsOf(text);
  if (fields === null) return invalid("it is too long");
  const ids: string[] = [];
  for (const field of fields) {
    const [, name, value = ""] = FIELD.exec(field) ?? [];
    if (name === undefined) return invalid(`a field that is none: ${JSON.stringify(field)}`);
    if (name === "id") ids.push(value);
  }
  const [id = ""] = ids;
  if (ids.length !== 1 || !ID.test(id))
    return invalid("expected one id of 1 to 32 letters or digits");
  return { kind: "record", id };
}

function invalid(reason: string): StsRecord {
  return { kind: "invalid", reason };
}
