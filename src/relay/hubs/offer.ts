import type { RemoteCapabilities } from "../../smtp/smtp-client.ts";

/** What may be offered to clients. */
export interface Offer {
  /** Octets; null: no limit is known. */
  readonly maxBytes: number | null;
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
}

const NOTHING_KNOWN: Offer = { maxBytes: null, eightBitMime: true, smtpUtf8: true };

/** The least that these hubs offered last; undefined: it has not been heard of one. */
export function toLeast(hubs: readonly (RemoteCapabilities | undefined)[]): Offer {
  const known = hubs.filter((hub) => hub !== undefined);
  return known.reduce<Offer>(toLesser, NOTHING_KNOWN);
}

function toLesser(a: Offer, b: Offer): Offer {
  const limits = [a.maxBytes, b.maxBytes].filter((bytes) => bytes !== null);
  return {
    maxBytes: limits.length > 0 ? Math.min(...limits) : null,
    eightBitMime: a.eightBitMime && b.eightBitMime,
    smtpUtf8: a.smtpUtf8 && b.smtpUtf8,
  };
}
