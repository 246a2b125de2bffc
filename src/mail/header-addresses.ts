import { type AddressToken, nextAddressToken } from "./address-tokens.ts";
import type { HeaderField } from "./header-block.ts";

/** One addr-spec of a field: where its two halves stand in the message, one octet a char. */
export interface HeaderAddress {
  readonly localPart: string;
  readonly localAt: number;
  readonly domain: string;
  readonly domainAt: number;
}

/**
 * The addresses of a field that holds an address list (RFC 5322 3.4, groups included), or null when
 * it does not follow the grammar: then nobody may touch it, since two readers may see two lists.
 * Accepted beside the grammar is what honest mail is full of: dots and octets above 127 in display
 * names, and empty places in a list (4.5.3). Source routes are not. Time is linear in the value.
 */
export function parseHeaderAddresses(field: HeaderField): readonly HeaderAddress[] | null {
  const reader = createReader(field);
  const found: HeaderAddress[] = [];
  let inGroup = false;
  for (;;) {
    const token = reader.peek();
    if (token.kind === "bad") return null;
    if (token.kind === "end") return inGroup ? null : found;
    if (token.kind === ",") reader.take();
    else if (token.kind === ";" && inGroup) {
      inGroup = false;
      reader.take();
      if (!isBetween(reader.peek())) return null;
    } else {
      const element = readElement(reader);
      if (element === null || (element === "group" && inGroup)) return null;
      if (element === "group") inGroup = true;
      else found.push(element);
      if (element !== "group" && !endsElement(reader.peek(), inGroup)) return null;
    }
  }
}

interface TokenReader {
  peek(): AddressToken;
  take(): AddressToken;
  /** The position of the first octet of the value in the message. */
  readonly valueAt: number;
}

function createReader({ name, rawValue, start }: HeaderField): TokenReader {
  let next = nextAddressToken(rawValue, 0);
  return {
    valueAt: start + name.length + 1,
    peek: () => next,
    take() {
      const token = next;
      next = nextAddressToken(rawValue, token.end);
      return token;
    },
  };
}

function isBetween({ kind }: AddressToken): boolean {
  return kind === "," || kind === "end";
}

function endsElement(token: AddressToken, inGroup: boolean): boolean {
  return isBetween(token) || (inGroup && token.kind === ";");
}

/** `words <addr>`, `addr`, or the beginning of a group, `words:`. */
function readElement(reader: TokenReader): HeaderAddress | "group" | null {
  const first = reader.peek();
  let words = 0;
  while (reader.peek().kind === "word" || reader.peek().kind === "quoted") {
    reader.take();
    words += 1;
  }
  switch (reader.peek().kind) {
    case "<":
      return readAngle(reader);
    case ":":
      reader.take();
      return words > 0 ? "group" : null;
    case "@":
      return words === 1 ? readDomain(reader, first) : null;
    default:
      return null;
  }
}

function readAngle(reader: TokenReader): HeaderAddress | null {
  reader.take();
  const local = reader.take();
  const address = readDomain(reader, local);
  return address !== null && reader.take().kind === ">" ? address : null;
}

/** RFC 5322 3.4.1: the local part is one dot-atom or quoted string, the domain one or a literal. */
function readDomain(reader: TokenReader, local: AddressToken): HeaderAddress | null {
  const isLocal = local.kind === "quoted" || (local.kind === "word" && isDotAtom(local.text));
  if (!isLocal || reader.take().kind !== "@") return null;
  const domain = reader.take();
  const isDomain = domain.kind === "literal" || (domain.kind === "word" && isDotAtom(domain.text));
  if (!isDomain) return null;
  return {
    localPart: local.text,
    localAt: reader.valueAt + local.start,
    domain: domain.text,
    domainAt: reader.valueAt + domain.start,
  };
}

function isDotAtom(text: string): boolean {
  return !text.startsWith(".") && !text.endsWith(".") && !text.includes("..");
}
