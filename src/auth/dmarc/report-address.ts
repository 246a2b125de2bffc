import type { Address } from "../../mail/address.ts";
import { parseMailto } from "../../mail/mailto.ts";
import { readDmarcTags } from "./dmarc-record.ts";

/** Where a domain wants its aggregate reports. */
export interface ReportAddress {
  readonly to: Address;
  /** Of the message with the report; null: any. */
  readonly maxBytes: number | null;
}

/** Each costs us a message and queries. */
const MAX_ADDRESSES = 5;
const UNITS: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/**
 * `rua=` of a DMARC record, or of the record by which somebody agrees to get reports about others.
 * Only mail: other schemes are nobody's standard. Null: there is no such tag.
 */
export function reportAddressesOf(record: string): readonly ReportAddress[] | null {
  const rua = readDmarcTags(record)?.get("rua");
  if (rua === undefined) return null;
  const uris = rua.split(",").slice(0, MAX_ADDRESSES);
  return uris.flatMap((uri) => toReportAddress(uri.trim()) ?? []);
}

/** `mailto:reports@example.org!10m`; an exclamation mark in the address itself is encoded. */
function toReportAddress(text: string): ReportAddress | null {
  const [, uri = "", size, unit = ""] = /^([^!]*)(?:!(\d{1,9})([kmgt]?))?$/i.exec(text) ?? [];
  const to = parseMailto(uri);
  if (to === null) return null;
  const maxBytes = size === undefined ? null : Number(size) * (UNITS[unit.toLowerCase()] ?? 1);
  return { to, maxBytes };
}
