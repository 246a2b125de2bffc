import { parseDomainName } from "../../mail/domain-name.ts";
import { type HeaderAddress, parseHeaderAddresses } from "../../mail/header-addresses.ts";
import type { HeaderBlock, HeaderField } from "../../mail/header-block.ts";

/** Evidence is stored for each message: a header of 256 KiB has room for 30,000 addresses. */
const MAX_ADDRESSES = 1000;

/** The addresses that a policy may rewrite, and where they stand. Octets one a char. */
export type HeaderEvidence = {
  /** Fields that were looked at. */
  readonly fields: readonly string[];
  readonly addresses: readonly FoundAddress[];
  /** Fields that are there and follow no grammar. */
  readonly unparsed: readonly string[];
  /** Addresses beyond what is kept. */
  readonly omitted: number;
};

export type FoundAddress = {
  readonly field: string;
  readonly localPart: string;
  readonly localAt: number;
  readonly domain: string;
  readonly domainAt: number;
  /** For comparison; what is no domain stays as it is. */
  readonly domainKey: string;
  /** Where the line begins that the address stands in, and how long it is without its end. */
  readonly line: number;
  readonly lineOctets: number;
};

export function findAddresses(headers: HeaderBlock, names: readonly string[]): HeaderEvidence {
  const all: FoundAddress[] = [];
  const unparsed = new Set<string>();
  let count = 0;
  for (const name of names) {
    for (const field of headers.all(name)) {
      const found = parseHeaderAddresses(field);
      count += found?.length ?? 0;
      const kept = found?.slice(0, MAX_ADDRESSES - all.length) ?? [];
      all.push(...locate(name, field, kept));
      if (!found) unparsed.add(name);
    }
  }
  return {
    fields: names,
    addresses: all,
    unparsed: [...unparsed],
    omitted: count - all.length,
  };
}

/** Addresses come in the order of the value, so that its lines are counted once. */
function locate(
  name: string,
  field: HeaderField,
  found: readonly HeaderAddress[],
): readonly FoundAddress[] {
  const valueAt = field.start + field.name.length + 1;
  let line = field.start;
  let end = endOfLine(field, 0) + valueAt;
  return found.map((address) => {
    while (address.domainAt >= end) {
      line = end + 2;
      end = endOfLine(field, line - valueAt) + valueAt;
    }
    const domainKey = parseDomainName(toText(address.domain), { utf8: true }) ?? address.domain;
    return { field: name, ...address, domainKey, line, lineOctets: end - line };
  });
}

/** Where the CR of a line stands in the value. */
function endOfLine({ rawValue }: HeaderField, from: number): number {
  const end = rawValue.indexOf("\r\n", from);
  return end < 0 ? rawValue.length : end;
}

/** Octets of a header, kept one a character, as the UTF-8 that they are (RFC 6532). */
export function toText(octets: string): string {
  return Buffer.from(octets, "latin1").toString();
}

/** The other way. */
export function toOctets(text: string): string {
  return Buffer.from(text).toString("latin1");
}
