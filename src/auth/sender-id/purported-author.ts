import { type Author, readMailboxOf } from "../../mail/author.ts";
import { type HeaderBlock, type HeaderField, trimBlanks } from "../../mail/header-block.ts";
import { lenientName } from "../../mail/lenient-name.ts";

/** Who most recently put the message on its way (RFC 4407), or why nobody can say. */
export type PurportedAuthor =
  | {
      readonly kind: "address";
      /** Lower case. */
      readonly header: PraHeader;
      readonly localPart: string;
      readonly domain: string;
    }
  | { readonly kind: "none"; readonly fault: PraFault };

export type PraHeader = "resent-sender" | "resent-from" | "sender" | "from";

export type PraFault = "no-field" | "several-senders" | "several-froms" | "malformed";

/**
 * The purported responsible address, by the six steps of RFC 4407 2. Fields in disguise (`From `,
 * `From` with invisible octets) count: a reader of the message takes them for what they look like.
 */
export function selectPurportedAuthor(headers: HeaderBlock): PurportedAuthor {
  const fields = headers.fields.map((field): NamedField => ({ name: lenientName(field), field }));
  const resent = selectResent(fields);
  if (resent) return toAuthor(resent);
  const senders = filled(fields, "sender");
  if (senders.length > 1) return none("several-senders");
  const [sender] = senders;
  if (sender) return toAuthor(sender);
  const froms = filled(fields, "from");
  if (froms.length > 1) return none("several-froms");
  const [from] = froms;
  return from ? toAuthor(from) : none("no-field");
}

interface NamedField {
  readonly name: string;
  readonly field: HeaderField;
}

/** Steps 1 and 2: blocks of Resent- fields are told apart by the trace fields between them. */
function selectResent(fields: readonly NamedField[]): NamedField | null {
  const isFilled = (one: NamedField, name: string) => one.name === name && isNotEmpty(one);
  const sender = fields.findIndex((one) => isFilled(one, "resent-sender"));
  const from = fields.findIndex((one) => isFilled(one, "resent-from"));
  const byFrom = fields[from] ?? null;
  if (sender < 0) return byFrom;
  const isOlder =
    from >= 0 &&
    fields.slice(from, sender).some(({ name }) => name === "received" || name === "return-path");
  return isOlder ? byFrom : (fields[sender] ?? null);
}

function filled(fields: readonly NamedField[], name: PraHeader): readonly NamedField[] {
  return fields.filter((one) => one.name === name && isNotEmpty(one));
}

/** RFC 4407 2: a field of blanks alone is as none. */
function isNotEmpty({ field }: NamedField): boolean {
  const value = field.name === "" ? field.rawValue.slice(field.rawValue.indexOf(":") + 1) : null;
  return trimBlanks(value ?? field.rawValue) !== "";
}

/** Step 5: exactly one well-formed mailbox with a domain. */
function toAuthor({ name, field }: NamedField): PurportedAuthor {
  // A line that is no field to us, and one to others, has no value that all agree on.
  const author: Author =
    field.name === "" ? { kind: "malformed", fault: "field-name" } : readMailboxOf(field);
  if (author.kind === "malformed") return none("malformed");
  const { localPart, domain } = author;
  return { kind: "address", header: name as PraHeader, localPart, domain };
}

/** Step 6. */
function none(fault: PraFault): PurportedAuthor {
  return { kind: "none", fault };
}
