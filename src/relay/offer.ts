import type { RemoteCapabilities } from "../smtp/smtp-client.ts";

/** What may be offered to clients. */
export interface Offer {
  /** Octets; null: no limit is known. */
  readonly maxBytes: number | null;
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
  /**
   * RFC 3461. Only when every hub is known to offer it: a relay that promised it and meets a server
   * without it would owe the sender "relayed" notices (5.2.2), which we do not write.
   */
  readonly dsn: boolean;
}

type Limits = Omit<Offer, "dsn">;

export const NOTHING_KNOWN: Limits = { maxBytes: null, eightBitMime: true, smtpUtf8: true };

/** The least that these hubs offered last; undefined: it has not been heard of one. */
export function toLeast(hubs: readonly (RemoteCapabilities | undefined)[]): Offer {
  const known = hubs.filter((hub) => hub !== undefined);
  const dsn = hubs.length > 0 && hubs.every((hub) => hub?.dsn === true);
  return { ...known.reduce<Limits>(toLesser, NOTHING_KNOWN), dsn };
}

function toLesser(a: Limits, b: Limits): Limits {
  const limits = [a.maxBytes, b.maxBytes].filter((bytes) => bytes !== null);
  return {
    maxBytes: limits.length > 0 ? Math.min(...limits) : null,
    eightBitMime: a.eightBitMime && b.eightBitMime,
    smtpUtf8: a.smtpUtf8 && b.smtpUtf8,
  };
}
