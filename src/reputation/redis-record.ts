import type { StoredRecord } from "./subject-record.ts";

/**
 * A record as learn.lua writes it: version 1, how many counters, first and last seen (s, 4 octets each),
 * the counters (4-octet floats), then for each HELO name when (s, 4), its length (1) and itself; little
 * endian. A hundred thousand of them shall fit into 30 MB.
 */
const VERSION = 1;
const HEAD = 10;

/** Null for what another version wrote. */
export function decodeRecord(stored: Buffer | null): StoredRecord | null {
  if (!stored || stored.length < HEAD || stored[0] !== VERSION) return null;
  const counters = stored[1] ?? 0;
  const end = HEAD + 4 * counters;
  if (stored.length < end) return null;
  const counts = Array.from({ length: counters }, (_, i) => stored.readFloatLE(HEAD + 4 * i));
  return {
    counts,
    firstSeen: stored.readUInt32LE(2) * 1000,
    lastSeen: stored.readUInt32LE(6) * 1000,
    helos: decodeHelos(stored.subarray(end)),
  };
}

function decodeHelos(octets: Buffer): StoredRecord["helos"] {
  const helos: { readonly name: string; readonly at: number }[] = [];
  let at = 0;
  while (at + 5 <= octets.length) {
    const length = octets[at + 4] ?? 0;
    const name = octets.toString("utf8", at + 5, at + 5 + length);
    helos.push({ name, at: octets.readUInt32LE(at) * 1000 });
    at += 5 + length;
  }
  return helos;
}
