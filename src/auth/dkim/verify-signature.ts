import { createHash, verify } from "node:crypto";
import type { HeaderBlock } from "../../mail/header-block.ts";
import type { TxtAnswer } from "../txt-answer.ts";
import type { BodyHash } from "./body-hash.ts";
import { signedOctets, unsignedNames } from "./canonical-header.ts";
import type { DkimKey } from "./dkim-key.ts";
import type {
  Canonicalization,
  DkimSignature,
  ParsedSignature,
  SignatureTags,
} from "./dkim-signature.ts";
import type { FoundKey, KeyLookup } from "./key-lookup.ts";

/** RFC 8601 2.7.1. `policy`: it verifies, and does not cover what policy wants covered. */
export type DkimResult = "pass" | "fail" | "policy" | "temperror" | "permerror";

/** One signature: what it says, what DNS said, what came of it. Plain JSON, bounded. */
export type DkimSignatureCheck = SignatureTags & {
  readonly result: DkimResult;
  readonly reason: string | null;
  readonly signedAt: number | null;
  readonly expiresAt: number | null;
  /** l= */
  readonly length: number | null;
  /** Octets of the canonical body. */
  readonly bodyOctets: number | null;
  /** h=, the first of them. */
  readonly signed: readonly string[];
  /** Of the names that policy wants covered, those it leaves open. */
  readonly unsigned: readonly string[];
  /** h= names From once more than the message has it: none can be added (RFC 6376 8.15). */
  readonly oversignsFrom: boolean;
  readonly key: TxtAnswer | null;
  readonly keyBits: number | null;
  /** The key says t=y. */
  readonly testing: boolean;
};

export interface SignedMessage {
  readonly headers: HeaderBlock;
  readonly bodies: ReadonlyMap<Canonicalization, BodyHash>;
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
  /** Names of fields that a signature must cover, each of them, to count. */
  readonly mustSign: readonly string[];
}

const MAX_SIGNED_KEPT = 50;
const MAX_NAME_KEPT = 60;
/** Clocks differ; more is a signature that somebody made for later. */
const CLOCK_SKEW_SECONDS = 300;

type Outcome = Pick<DkimSignatureCheck, "result" | "reason">;

/** Asks for a key only when all else is right: a broken signature costs nobody a query. */
export async function verifySignature(
  parsed: ParsedSignature,
  message: SignedMessage,
  keys: KeyLookup,
): Promise<DkimSignatureCheck> {
  if (parsed.kind === "unusable")
    return { ...UNREAD, ...parsed.tags, result: "permerror", reason: parsed.reason };
  const { signature } = parsed;
  const said = describe(parsed.tags, signature, message);
  const early = checkClaims(signature, message);
  if (early) return { ...said, ...early };
  const found = await keys.find(signature.domain, signature.selector);
  const { answer } = found;
  if (found.kind !== "key")
    return { ...said, key: answer, result: found.kind, reason: found.reason };
  const { bits: keyBits, testing } = found.key;
  const outcome = checkKey(signature, message, found, said.unsigned);
  return { ...said, key: answer, keyBits, testing, ...outcome };
}

type Said = Omit<DkimSignatureCheck, keyof Outcome>;

const UNREAD: Omit<Said, keyof SignatureTags> = {
  signedAt: null,
  expiresAt: null,
  length: null,
  bodyOctets: null,
  signed: [],
  unsigned: [],
  oversignsFrom: false,
  key: null,
  keyBits: null,
  testing: false,
};

function describe(
  tags: SignatureTags,
  signature: DkimSignature,
  { headers, bodies, mustSign }: SignedMessage,
): Said {
  const { domain, selector, identity, signed, length, signedAt, expiresAt } = signature;
  const froms = signed.filter((name) => name === "from").length;
  return {
    ...UNREAD,
    ...tags,
    domain,
    selector,
    identity,
    length,
    signedAt,
    expiresAt,
    bodyOctets: bodies.get(signature.body)?.octets ?? null,
    signed: signed.slice(0, MAX_SIGNED_KEPT).map((name) => name.slice(0, MAX_NAME_KEPT)),
    unsigned: unsignedNames(headers, signed, mustSign),
    oversignsFrom: froms > headers.all("from").length,
  };
}

/** What can be said without the key. */
function checkClaims(signature: DkimSignature, message: SignedMessage): Outcome | null {
  const times = faultOfTimes(signature, message.receivedAt);
  if (times) return fail(times);
  const { length, bodyHash } = signature;
  const body = message.bodies.get(signature.body);
  if (!body) throw new Error("a body that nobody hashed");
  // Whatever stands behind l= octets is anybody's (RFC 6376 8.2): it covers all, or counts for nothing.
  if (length !== null && length !== body.octets)
    return fail(`l= covers ${length} of ${body.octets} octets`);
  return bodyHash.equals(body.hash) ? null : fail("the body was changed");
}

/** t= and x= of RFC 6376 3.5. */
export function faultOfTimes(
  { signedAt, expiresAt }: Pick<DkimSignature, "signedAt" | "expiresAt">,
  receivedAt: number,
): string | null {
  const now = receivedAt / 1000;
  if (expiresAt !== null && expiresAt < now) return "expired";
  return signedAt !== null && signedAt > now + CLOCK_SKEW_SECONDS ? "made in the future" : null;
}

function checkKey(
  signature: DkimSignature,
  message: SignedMessage,
  { key }: Extract<FoundKey, { kind: "key" }>,
  unsigned: readonly string[],
): Outcome {
  if (!signature.algorithm.startsWith(`${key.type}-`))
    return { result: "permerror", reason: "the key is of another kind than a= says" };
  if (key.strict && !signature.isExact)
    return { result: "permerror", reason: "i= is a subdomain, which the key forbids" };
  const octets = signedOctets(message.headers, signature);
  if (!isSignedBy(octets, signature, key)) return fail("the header or the signature was changed");
  if (unsigned.length > 0)
    return { result: "policy", reason: `not signed: ${unsigned.join(", ")}` };
  return { result: "pass", reason: null };
}

export function isSignedBy(
  octets: Buffer,
  { signature }: Pick<DkimSignature, "signature">,
  key: DkimKey,
): boolean {
  if (key.type === "rsa") return verify("sha256", octets, key.key, signature);
  // RFC 8463 3: Ed25519 over the hash, not over the text.
  return verify(null, createHash("sha256").update(octets).digest(), key.key, signature);
}

function fail(reason: string): Outcome {
  return { result: "fail", reason };
}
