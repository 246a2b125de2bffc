/**
 * The contract of the one DNS resolver. Nothing else in Postern asks DNS, so name validation,
 * limits, the cache and the count of queries hold everywhere.
 *
 * A look-up never throws: every outcome is a value, and "could not ask" is told apart from
 * "asked, and there is none". Only `found` and `none` are answers.
 */
export interface RecordData {
  /** Dotted quad. */
  readonly A: string;
  /** RFC 5952 text. */
  readonly AAAA: string;
  /** The exchange without the trailing dot; empty for a null MX (RFC 7505). */
  readonly MX: { readonly preference: number; readonly exchange: string };
  /** The character-strings of one record joined without a blank (RFC 7208 3.3), one char an octet. */
  readonly TXT: string;
  /** A host name without the trailing dot. */
  readonly PTR: string;
  readonly TLSA: TlsaRecord;
  /** Of the name itself, without the trailing dot: the chain behind it is not followed. */
  readonly CNAME: string;
}

/** RFC 6698 2.1, as it stands in the zone: no value of a field is refused here. */
export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  /** Lower-case hex. */
  readonly data: string;
}

export type RecordType = keyof RecordData;

export type Lookup<T> =
  | {
      readonly kind: "found";
      readonly records: readonly T[];
      readonly ttlSeconds: number;
      readonly secure?: Secure;
      /** Whose records these are, when the name asked for is an alias. */
      readonly canonical?: string;
    }
  | { readonly kind: "none"; readonly reason: "nxdomain" | "nodata"; readonly secure?: Secure }
  /** Time-out, SERVFAIL, REFUSED, a broken answer: ask again later. Never means "none". */
  | { readonly kind: "temporary"; readonly reason: string }
  /** The name is not one that may be asked (NUL, controls, labels too long). Nothing was sent. */
  | { readonly kind: "refused"; readonly reason: string }
  /** The budget of the transaction is used up. Nothing was sent. */
  | { readonly kind: "exhausted"; readonly reason: string };

/**
 * DNSSEC vouches for the answer, its absence of records included (RFC 4033 5). Absent: it does not,
 * or the server is not one whose word we take (`dns.validates`).
 */
type Secure = true;

export interface Resolver {
  /**
   * Asks for one name and type. Case and a trailing dot of the name do not matter.
   * Static hosts answer A, AAAA and PTR before the cache, the cache before the network.
   */
  lookup<T extends RecordType>(
    name: string,
    type: T,
    scope: LookupScope,
    options?: LookupOptions,
  ): Promise<Lookup<RecordData[T]>>;
  /** Queries sent to the network since the start, retries and turns to TCP included. */
  networkQueries(): number;
  close(): void;
}

export interface LookupOptions {
  /** Default "host". */
  readonly names?: NameRule | undefined;
  /** Asks the network even when the cache knows: a canary must see the zone as it is now. */
  readonly fresh?: boolean;
}

/**
 * Which characters a name may hold. "host" is letters, digits, `-`, `_` and dots. "printable" is
 * every printable ASCII character, for the target names of SPF alone (RFC 7208 7.1), which may hold
 * a local part.
 */
export type NameRule = "host" | "printable";

/** How much one transaction may still ask, and until when. One object a transaction. */
export interface LookupScope {
  readonly signal: AbortSignal;
  /**
   * Takes one network query out of the budget; false when it is empty. Cached answers, and those
   * that another lookup is already waiting for, are free; the retry of a query belongs to it.
   */
  spend(): boolean;
}

/** RFC-less house limit of behaviour.md: one message may cause this many network queries. */
const QUERIES_PER_MESSAGE = 50;

export function createLookupScope(signal: AbortSignal, queries = QUERIES_PER_MESSAGE): LookupScope {
  let left = queries;
  return {
    signal,
    spend() {
      if (left === 0) return false;
      left -= 1;
      return true;
    },
  };
}

/** The same budget under another (usually shorter) limit of time. */
export function withSignal(scope: LookupScope, signal: AbortSignal): LookupScope {
  return { signal, spend: () => scope.spend() };
}
