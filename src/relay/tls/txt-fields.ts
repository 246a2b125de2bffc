import { trimBlanks } from "../../mail/header-block.ts";

/** A TXT record may have 64 KiB; those of RFC 8460 and 8461 say two short things. */
const MAX_CHARS = 4096;

/**
 * The fields of a TXT record after its version, without the blanks around them (RFC 8461 3.1,
 * RFC 8460 3): `v=STSv1; id=1;`. The last delimiter may stand alone. Null for one that is too long.
 * Split by hand: `[ \t]*;` takes the square of a run of blanks.
 */
export function fieldsOf(text: string): readonly string[] | null {
  if (text.length > MAX_CHARS) return null;
  const [, ...fields] = text.split(";").map(trimBlanks);
  return fields.at(-1) === "" ? fields.slice(0, -1) : fields;
}
