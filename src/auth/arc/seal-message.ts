import { foldHeader } from "../../mail/fold-header.ts";
import { type HeaderBlock, type HeaderField, parseHeaderBlock } from "../../mail/header-block.ts";
import {
  foldTags,
  toMessageSignature,
  unsignedField,
  withSignature,
} from "../dkim/signature-field.ts";
import { toSignedNames } from "../dkim/signed-names.ts";
import { type SigningKey, signOctets } from "../dkim/signing-key.ts";
import { readChain } from "./arc-chain.ts";
import { type ChainValidation, MAX_INSTANCE } from "./arc-seal.ts";
import { type SealedSet, sealedOctets, wholeSet } from "./sealed-octets.ts";

/** What a verifier found of the chain when the message came (check-arc.ts). */
export interface ChainFound {
  readonly result: "none" | "pass" | "fail";
  /** It failed for want of a key: nobody can say yet. */
  readonly temporary: boolean;
}

export interface SealRequest {
  /** As the message leaves. */
  readonly headers: HeaderBlock;
  readonly bodyHash: Buffer;
  readonly found: ChainFound;
  /** Our own Authentication-Results, without the name of the field. */
  readonly results: string;
  readonly key: SigningKey;
  /** Seconds since the epoch. */
  readonly sealedAt: number;
}

export type Sealing =
  | {
      readonly kind: "sealed";
      readonly instance: number;
      readonly cv: ChainValidation;
      /** Three whole fields, with their line ends. */
      readonly fields: string;
    }
  | { readonly kind: "left"; readonly reason: string };

/**
 * One more set for the chain of a message (RFC 8617 5.1): what we found when it came, a signature
 * over what leaves, and a seal over all sets. A chain that has failed gets one set that says so, over
 * itself alone (5.1.2); after that it is left alone, as is one of which nobody can say yet.
 */
export async function sealMessage(request: SealRequest): Promise<Sealing> {
  const { headers, found, results, bodyHash, key, sealedAt } = request;
  const next = nextSet(headers, found);
  if (typeof next === "string") return { kind: "left", reason: next };
  const { instance, cv, before } = next;
  const signed = toSignedNames(headers, ["dkim-signature"]);
  if (!signed) return { kind: "left", reason: "it has too many header fields" };
  const authResults = foldHeader("ARC-Authentication-Results", `i=${instance}; ${results}`);
  const facts = { bodyHash, signed, signedAt: sealedAt, expiresAt: null };
  const message = await toMessageSignature(headers, instance, key, facts);
  const unsigned = foldTags("ARC-Seal", [
    [`i=${instance}`],
    [`a=${key.algorithm}`],
    [`t=${sealedAt}`],
    [`cv=${cv}`],
    [`d=${key.domain}`],
    [`s=${key.selector}`],
  ]);
  const own: SealedSet = {
    results: toField(authResults),
    message: { field: toField(message) },
    seal: unsignedField(unsigned),
  };
  const wholes = cv === "fail" ? [] : before.map(wholeSet);
  const seal = withSignature(unsigned, await signOctets(sealedOctets(wholes, own), key));
  return { kind: "sealed", instance, cv, fields: `${seal}${message}${authResults}` };
}

interface NextSet {
  readonly instance: number;
  readonly cv: ChainValidation;
  readonly before: readonly SealedSet[];
}

/** Where in the chain we stand, or why there is no place for us. */
function nextSet(headers: HeaderBlock, found: ChainFound): NextSet | string {
  const chain = readChain(headers);
  if (chain.kind === "none") {
    if (found.result !== "none") return "its chain went with the edits";
    return { instance: 1, cv: "none", before: [] };
  }
  // Also one whose newest seal says cv=fail: RFC 8617 5.1 has nobody go on with that.
  if (chain.kind === "broken") return `its chain is broken: ${chain.reason}`;
  const before = chain.sets;
  const instance = before.length + 1;
  if (instance > MAX_INSTANCE) return `its chain has ${MAX_INSTANCE} sets already`;
  if (found.temporary) return "nobody could tell whether its chain holds";
  if (found.result === "none") return "nobody looked at its chain";
  return { instance, cv: found.result, before };
}

function toField(text: string): HeaderField {
  const [field] = parseHeaderBlock(Buffer.from(text, "latin1")).fields;
  if (!field) throw new TypeError("a set without a field");
  return field;
}
