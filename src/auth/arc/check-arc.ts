import { readAuthor } from "../../mail/author.ts";
import type { HeaderBlock } from "../../mail/header-block.ts";
import { type BodyHash, type BodyHashes, createBodyHashes } from "../dkim/body-hash.ts";
import { signedOctets, unsignedNames } from "../dkim/canonical-header.ts";
import type { DkimSignature } from "../dkim/dkim-signature.ts";
import type { FoundKey, KeyLookup } from "../dkim/key-lookup.ts";
import { createMessageReading } from "../dkim/message-reading.ts";
import { faultOfTimes, isSignedBy } from "../dkim/verify-signature.ts";
import type { TxtAnswer } from "../txt-answer.ts";
import { type ArcChain, type ArcSet, readChain } from "./arc-chain.ts";
import { parseMessageSignature } from "./arc-seal.ts";
import { sealedOctets, wholeSet } from "./sealed-octets.ts";
import { readSealedDmarc, type SealedDmarc } from "./sealed-results.ts";

/** Of each set, what a sealer says of himself and of the mail he got. */
export type ArcSealed = {
  readonly instance: number;
  readonly domain: string;
  readonly selector: string;
  readonly dmarc: SealedDmarc | null;
};

/** Plain JSON, bounded. A chain counts as a whole: it passes, or nothing in it is proven. */
export type ArcCheck = {
  readonly result: "none" | "pass" | "fail";
  readonly reason: string | null;
  /** It failed for want of a key that DNS may give later. */
  readonly temporary: boolean;
  readonly sets: readonly ArcSealed[];
  /** Keys that were asked for, in that order. */
  readonly keys: readonly TxtAnswer[];
  /** The domain of the one author in From; null: nobody can say. */
  readonly from: string | null;
  /** Of From and Subject, what the newest signature leaves to anybody. */
  readonly unsigned: readonly string[];
};

export interface ArcQuestion {
  readonly keys: KeyLookup;
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
}

export interface ArcReading {
  write(chunk: Buffer): void;
  end(question: ArcQuestion): Promise<ArcCheck>;
}

/** What people judge a mail by: a seal taken for another Subject must not count (threats.md A7). */
const MUST_COVER: readonly string[] = ["from", "subject"];

/**
 * Verifies the chain of a message that streams by (RFC 8617 5.2). Without a whole chain nothing is
 * hashed. Never throws for anything that a sender or a zone can do but a header that is too large.
 */
export function createArcReading(): ArcReading {
  const { write, head } = createMessageReading(readHead);
  return {
    write,
    async end(question) {
      const { headers, chain, newest, bodies } = head();
      const author = readAuthor(headers);
      const from = author.kind === "mailbox" ? author.domain : null;
      if (chain.kind === "none") return { ...EMPTY, result: "none", from };
      if (chain.kind === "broken") return { ...EMPTY, result: "fail", reason: chain.reason, from };
      const sets = chain.sets.map(describe);
      if (typeof newest === "string")
        return { ...EMPTY, result: "fail", reason: newest, sets, from };
      const body = bodies?.end().get(newest.body);
      if (!body) throw new Error("a body that nobody hashed");
      const unsigned = unsignedNames(headers, newest.signed, MUST_COVER);
      const message = { headers, sets: chain.sets, newest, body };
      return { ...(await verify(message, question)), sets, from, unsigned };
    },
  };
}

const EMPTY = { reason: null, temporary: false, sets: [], keys: [], unsigned: [] } as const;

interface Head {
  readonly headers: HeaderBlock;
  readonly chain: ArcChain;
  /** The signature of the highest instance, the only one that must still hold; or what is wrong. */
  readonly newest: DkimSignature | string;
  readonly bodies: BodyHashes | null;
}

function readHead(headers: HeaderBlock): Head {
  const chain = readChain(headers);
  const last = chain.kind === "chain" ? chain.sets.at(-1) : null;
  const newest = last ? parseMessageSignature(last.message.field, last.message.tags) : "no chain";
  const bodies = typeof newest === "string" ? null : createBodyHashes(new Set([newest.body]));
  return { headers, chain, newest, bodies };
}

type Outcome = Omit<ArcCheck, "sets" | "from" | "unsigned">;

interface Sealed {
  readonly headers: HeaderBlock;
  readonly sets: readonly ArcSet[];
  readonly newest: DkimSignature;
  readonly body: BodyHash;
}

/** The newest signature first, then the seals from the newest to the oldest; the first fault ends it. */
async function verify(
  { headers, sets, newest, body }: Sealed,
  { keys: lookup, receivedAt }: ArcQuestion,
): Promise<Outcome> {
  const keys: TxtAnswer[] = [];
  const fail = (reason: string, temporary = false): Outcome => ({
    result: "fail",
    reason,
    temporary,
    keys,
  });
  const claim = faultOfTimes(newest, receivedAt) ?? faultOfBody(newest, body);
  if (claim) return fail(claim);
  const wholes = sets.map(wholeSet);
  const parts: readonly Part[] = [
    { what: "message signature", signed: newest, octets: () => signedOctets(headers, newest) },
    ...sets.toReversed().map((set) => ({
      what: `seal ${set.instance}`,
      signed: set.seal,
      octets: () => sealedOctets(wholes.slice(0, set.instance - 1), set),
    })),
  ];
  for (const { what, signed, octets } of parts) {
    const found = await lookup.find(signed.domain, signed.selector);
    if (!keys.some(({ name }) => name === found.answer.name)) keys.push(found.answer);
    const wrong = faultOfKey(found, signed, octets);
    if (wrong) return fail(`${what}: ${wrong}`, found.kind === "temperror");
  }
  return { result: "pass", reason: null, temporary: false, keys };
}

interface Part {
  readonly what: string;
  readonly signed: Pick<DkimSignature, "domain" | "selector" | "algorithm" | "signature">;
  readonly octets: () => Buffer;
}

/** Whatever stands behind l= octets is anybody's (RFC 6376 8.2). */
function faultOfBody({ bodyHash, length }: DkimSignature, body: BodyHash): string | null {
  if (length !== null && length !== body.octets)
    return `l= covers ${length} of ${body.octets} octets`;
  return bodyHash.equals(body.hash) ? null : "the body was changed";
}

function faultOfKey(found: FoundKey, signed: Part["signed"], octets: Part["octets"]) {
  if (found.kind !== "key") return found.reason;
  if (!signed.algorithm.startsWith(`${found.key.type}-`))
    return "the key is of another kind than a= says";
  return isSignedBy(octets(), signed, found.key) ? null : "what it signs was changed";
}

function describe({ instance, seal, results }: ArcSet): ArcSealed {
  const { domain, selector } = seal;
  return {
    instance,
    domain,
    selector,
    dmarc: readSealedDmarc(results.rawValue.replace(/^[^;]*;/, "")),
  };
}
