import { type HeaderField, unfold } from "./header-block.ts";

/**
 * The name that a lenient reader takes a field for, lower case. A line that is no field to us is one
 * to a reader that unfolds before it looks for the colon, and `From\x00` or `From ` is From to one
 * that drops what it does not see.
 */
export function lenientName({ name, rawValue }: HeaderField): string {
  const text = name === "" ? (unfold(rawValue).split(":", 1)[0] ?? "") : name;
  return text.replace(/[^\x21-\x7e]/g, "").toLowerCase();
}
