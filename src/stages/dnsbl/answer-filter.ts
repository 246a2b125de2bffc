import { parseIp } from "../../net/ip.ts";

/** Which answers of a zone count: for each octet the ranges it may lie in. */
export type AnswerFilter = readonly (readonly OctetRange[])[];

interface OctetRange {
  readonly from: number;
  readonly to: number;
}

const OCTET = String.raw`(\d{1,3}|\[[\d.;]{1,255}\])`;
const FILTER = new RegExp(`^${[OCTET, OCTET, OCTET, OCTET].join(String.raw`\.`)}$`);

/**
 * Postscreen's form: `127.0.0.2`, `127.0.0.[2..11]`, `127.0.[0..3;10].2`. Null for anything else,
 * and for answers outside 127.0.0.0/8, which no list gives (RFC 5782 2.1).
 */
export function parseAnswerFilter(text: string): AnswerFilter | null {
  const match = FILTER.exec(text);
  if (!match) return null;
  const filter: (readonly OctetRange[])[] = [];
  for (const octet of match.slice(1)) {
    const ranges = parseOctet(octet);
    if (!ranges) return null;
    filter.push(ranges);
  }
  return filter[0]?.every(({ from, to }) => from === 127 && to === 127) ? filter : null;
}

export function matchesFilter(answer: string, filter: AnswerFilter): boolean {
  const address = parseIp(answer);
  if (address?.family !== 4) return false;
  return address.octets.every((octet, i) =>
    filter[i]?.some(({ from, to }) => from <= octet && octet <= to),
  );
}

function parseOctet(text: string): readonly OctetRange[] | null {
  const items = text.startsWith("[") ? text.slice(1, -1).split(";") : [text];
  const ranges: OctetRange[] = [];
  for (const item of items) {
    const match = /^(\d{1,3})(?:\.\.(\d{1,3}))?$/.exec(item);
    if (!match) return null;
    const from = Number(match[1]);
    const to = Number(match[2] ?? match[1]);
    if (from > to || to > 255) return null;
    ranges.push({ from, to });
  }
  return ranges;
}
