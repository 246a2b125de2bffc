import { type HeaderBlock, parseHeaderBlock, toNameKey } from "./header-block.ts";

/**
 * A header field as it came, where something was written into it since. Who sent the message knows it
 * so; what stands there now may be for the inside only.
 */
export interface FieldOrigin {
  readonly name: string;
  /** Its place among the fields of that name; 0 is the topmost. */
  readonly nth: number;
  /** As in HeaderField; null: too long to be kept. */
  readonly rawValue: string | null;
}

/** Of all values together: they lie in the first record of a spool file, which is read whole. */
const MAX_OCTETS = 64 * 1024;

/** Of the fields in which these edits are made, by their places in the message as it came. */
export function fieldOriginsOf(
  { fields }: HeaderBlock,
  edits: readonly { readonly at: number }[],
): readonly FieldOrigin[] {
  if (edits.length === 0) return [];
  const places = edits.map(({ at }) => at).toSorted((a, b) => a - b);
  const countOf = createCount();
  const origins: FieldOrigin[] = [];
  let next = 0;
  let octets = 0;
  for (const { name, rawValue, end } of fields) {
    const nth = countOf(name);
    const first = next;
    while ((places[next] ?? end) < end) next += 1;
    if (next === first) continue;
    const fits = octets + rawValue.length <= MAX_OCTETS;
    if (fits) octets += rawValue.length;
    origins.push({ name, nth, rawValue: fits ? rawValue : null });
  }
  return origins;
}

/**
 * A header section with these fields as they came; those that are not known are left out. It may be cut:
 * a field that the cut goes through is whole again.
 */
export function withFieldOrigins(headers: Buffer, origins: readonly FieldOrigin[]): Buffer {
  if (origins.length === 0) return headers;
  const byPlace = new Map(origins.map((origin) => [toPlace(origin.name, origin.nth), origin]));
  const countOf = createCount();
  const parts = parseHeaderBlock(headers).fields.map(({ name, start, end }) => {
    const origin = byPlace.get(toPlace(name, countOf(name)));
    if (!origin) return headers.subarray(start, end);
    const { rawValue } = origin;
    return Buffer.from(rawValue === null ? "" : `${name}:${rawValue}\r\n`, "latin1");
  });
  return Buffer.concat(parts);
}

function toPlace(name: string, nth: number): string {
  return `${toNameKey(name)} ${nth}`;
}

/** How many fields of a name it was asked for before. */
function createCount(): (name: string) => number {
  const counts = new Map<string, number>();
  return (name) => {
    const key = toNameKey(name);
    const count = counts.get(key) ?? 0;
    counts.set(key, count + 1);
    return count;
  };
}
