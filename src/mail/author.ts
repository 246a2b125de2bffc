import { parseMailbox } from "./address.ts";
import { type AddressToken, nextAddressToken } from "./address-tokens.ts";
import { decodeWords, hasEncodedWord } from "./encoded-words.ts";
import { type HeaderBlock, type HeaderField, unfold } from "./header-block.ts";
import { lenientName } from "./lenient-name.ts";

/** Why nobody can say for sure whom a message claims to be from. */
export type AuthorFault =
  | "missing"
  | "several-fields"
  | "field-name"
  | "control-character"
  | "folding"
  | "several-mailboxes"
  | "group"
  | "route"
  | "encoded-address"
  | "syntax";

/** Whom the From of a message names (RFC 5322 3.6.2): one mailbox, or a reason to trust none. */
export type Author =
  | {
      readonly kind: "mailbox";
      /** As written, and the octets of UTF-8 as characters. */
      readonly localPart: string;
      /** Lower-case A-labels, or an address literal in brackets. */
      readonly domain: string;
      /** What a mail program may show beside or instead of the address; empty: nothing. */
      readonly display: string;
    }
  | { readonly kind: "malformed"; readonly fault: AuthorFault };

/**
 * All fields that some reader takes for From. A name with blanks before the colon, with invisible
 * octets in it, or folded before its colon is one to lenient readers and none to strict ones.
 */
export function authorFields(headers: HeaderBlock): readonly HeaderField[] {
  return headers.fields.filter((field) => lenientName(field) === "from");
}

/**
 * Exactly one From with exactly one mailbox in the strict grammar of RFC 5322 3.4, without the
 * obsolete forms: whatever two readers could read as two senders is malformed (threats.md A2).
 * Linear in the length of the field.
 */
export function readAuthor(headers: HeaderBlock): Author {
  const fields = authorFields(headers);
  const [field] = fields;
  if (!field) return malformed("missing");
  if (fields.length > 1) return malformed("several-fields");
  if (!/^from$/i.test(field.name)) return malformed("field-name");
  return readMailboxOf(field);
}

/** Each is looked up; honest mail has one or two. */
const MAX_AUTHORS = 20;

/**
 * Each of the mailboxes in the one From, as strictly as if it stood alone. Never empty: what cannot be
 * read is a malformed one, as is all of a From with more than anybody writes.
 */
export function readAuthors(headers: HeaderBlock): readonly Author[] {
  const author = readAuthor(headers);
  const [field] = authorFields(headers);
  if (!field || author.kind === "mailbox" || author.fault !== "several-mailboxes") return [author];
  const elements = splitAtCommas(field.rawValue);
  if (elements.length > MAX_AUTHORS) return [author];
  return elements.map((rawValue) => readMailboxOf({ ...field, rawValue }));
}

/** Those of comments and quoted strings part nothing. */
function splitAtCommas(value: string): readonly string[] {
  const elements: string[] = [];
  let start = 0;
  let token = nextAddressToken(value, 0);
  for (; token.kind !== "end" && token.kind !== "bad"; token = nextAddressToken(value, token.end)) {
    if (token.kind !== ",") continue;
    elements.push(value.slice(start, token.start));
    start = token.end;
  }
  return [...elements, value.slice(start)];
}

/**
 * Signs of an address that are looked at in a From that nobody can read for sure, real ones and made-up
 * ones: a header of 256 KiB may have as many, and each costs microseconds.
 */
const MAX_AT_SIGNS = 200;
/** RFC 5321 4.5.3.1.1 and 4.5.3.1.2: around each @ no more can belong to an address. */
const MAX_LOCAL_CHARS = 64;
const MAX_DOMAIN_CHARS = 255;

/**
 * Every address that stands somewhere in a field that some reader takes for From, whatever is around
 * it. Good for refusing alone: nobody can say which of them a reader shows, or whether he shows one.
 */
export function mentionedInFrom(headers: HeaderBlock): readonly Mention[] {
  const found: Mention[] = [];
  let left = MAX_AT_SIGNS;
  for (const { rawValue } of authorFields(headers)) {
    const text = Buffer.from(unfold(rawValue), "latin1").toString("utf8");
    for (let at = text.indexOf("@"); at >= 0 && left > 0; at = text.indexOf("@", at + 1)) {
      left -= 1;
      const mailbox = mailboxAround(text, at);
      if (mailbox) found.push(mailbox);
    }
  }
  return found;
}

type Mention = { readonly localPart: string; readonly domain: string };

function mailboxAround(text: string, at: number): Mention | null {
  const before = text.slice(Math.max(0, at - MAX_LOCAL_CHARS), at);
  const after = text.slice(at + 1, at + 1 + MAX_DOMAIN_CHARS);
  const local = /[^\s"(),:;<>@[\\\]]+$/.exec(before)?.[0] ?? "";
  const domain = /^[^\s"(),:;<>@[\\\]\0]+/.exec(after)?.[0].replace(/\.+$/, "") ?? "";
  const mailbox = parseMailbox(`${local}@${domain}`);
  return mailbox && { localPart: mailbox.localPart, domain: mailbox.domain };
}

/** The one mailbox of a field such as From, Sender or Resent-From, as strictly as for From. */
export function readMailboxOf({ rawValue }: HeaderField): Author {
  // Some programs stop at a NUL, and show the sender that stands before it.
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(rawValue)) return malformed("control-character");
  if (hasOddFold(rawValue)) return malformed("folding");
  const read = readMailbox(rawValue);
  return typeof read === "string" ? malformed(read) : toAuthor(rawValue, read);
}

interface FoundMailbox {
  /** The addr-spec, angle brackets not included. */
  readonly start: number;
  readonly end: number;
}

/** name-addr or addr-spec, comments around it only. */
function readMailbox(value: string): FoundMailbox | AuthorFault {
  let token = nextAddressToken(value, 0);
  const first = token;
  let words = 0;
  while (token.kind === "word" || token.kind === "quoted") {
    words += 1;
    token = nextAddressToken(value, token.end);
  }
  switch (token.kind) {
    case ":":
    case ";":
      return "group";
    case "<":
      return readAngle(value, token);
    case "@":
      return words === 1 ? ending(value, readSpec(value, first)) : "syntax";
    case ",":
      return words > 0 ? "syntax" : "several-mailboxes";
    default:
      return "syntax";
  }
}

function readAngle(value: string, open: AddressToken): FoundMailbox | AuthorFault {
  const local = nextAddressToken(value, open.end);
  // RFC 5322 4.4: <@hop.example:user@example.org>, which readers take for one or the other.
  if (local.kind === "@") return "route";
  const spec = readSpec(value, local);
  if (typeof spec === "string") return spec;
  const close = nextAddressToken(value, spec.end);
  if (close.kind === ":") return "route";
  if (close.kind !== ">" || local.start !== open.end || close.start !== spec.end) return "syntax";
  const after = ending(value, { start: spec.start, end: close.end });
  return typeof after === "string" ? after : spec;
}

/** Local part, @ and domain without a blank or a comment between them: those are obsolete. */
function readSpec(value: string, local: AddressToken): FoundMailbox | AuthorFault {
  if (local.kind !== "word" && local.kind !== "quoted") return "syntax";
  const at = nextAddressToken(value, local.end);
  if (at.kind !== "@" || at.start !== local.end) return "syntax";
  const domain = nextAddressToken(value, at.end);
  if (domain.kind !== "word" || domain.start !== at.end) return "syntax";
  return { start: local.start, end: domain.end };
}

/** Nothing but comments may follow. */
function ending(value: string, found: FoundMailbox | AuthorFault): FoundMailbox | AuthorFault {
  if (typeof found === "string") return found;
  const { kind } = nextAddressToken(value, found.end);
  if (kind === "end") return found;
  if (kind === ",") return "several-mailboxes";
  return kind === ";" || kind === ":" ? "group" : "syntax";
}

function toAuthor(rawValue: string, { start, end }: FoundMailbox): Author {
  const spec = rawValue.slice(start, end);
  // RFC 2047 5 (3): never within an addr-spec; a reader that decodes it sees another address.
  if (hasEncodedWord(spec)) return malformed("encoded-address");
  const mailbox = parseMailbox(Buffer.from(spec, "latin1").toString("utf8"));
  if (!mailbox || mailbox.domain === "") return malformed("syntax");
  const around = `${rawValue.slice(0, start)} ${rawValue.slice(end)}`;
  const decoded = decodeWords(unfold(around));
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(decoded)) return malformed("control-character");
  const display = decoded.replace(/[<>"]/g, " ").replace(/\s+/g, " ").trim();
  return { kind: "mailbox", localPart: mailbox.localPart, domain: mailbox.domain, display };
}

/** A fold of blanks alone (RFC 5322 4.2) ends the header for some readers. */
function hasOddFold(rawValue: string): boolean {
  const lines = rawValue.split("\n");
  const odd = lines.slice(1).some((line) => /^[ \t]*\r?$/.test(line));
  return odd || /\r(?!\n)/.test(rawValue);
}

function malformed(fault: AuthorFault): Author {
  return { kind: "malformed", fault };
}
