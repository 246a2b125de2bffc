import type { HeaderField } from "../../mail/header-block.ts";
import {
  type DkimSignature,
  readAlgorithm,
  readNumber,
  readSignedTags,
  readSigner,
} from "../dkim/dkim-signature.ts";
import { decodeBase64, parseTagList, type TagList } from "../dkim/tag-list.ts";

/** An ARC-Seal of RFC 8617 4.1.3 that can be verified. */
export interface ArcSeal {
  readonly field: HeaderField;
  readonly algorithm: DkimSignature["algorithm"];
  /** b=, decoded, and where its value stands in the raw value of the field. */
  readonly signature: Buffer;
  readonly signatureAt: { readonly start: number; readonly end: number };
  /** A-labels. */
  readonly domain: string;
  readonly selector: string;
  readonly cv: ChainValidation;
}

export type ChainValidation = "none" | "pass" | "fail";

/** behaviour.md section 5, RFC 8617 4.2.1: a longer chain fails. */
export const MAX_INSTANCE = 50;

/** i= of a seal or a message signature; null: it is none. */
export function readInstance(list: TagList): number | null {
  return toInstance(list.get("i")?.value ?? "");
}

/** ARC-Authentication-Results begin with `i=1;` (RFC 8617 4.1.1). */
export function readResultsInstance(rawValue: string): number | null {
  const match = /^\s*i\s*=\s*(\d+)\s*;/.exec(rawValue);
  return match ? toInstance(match[1] ?? "") : null;
}

function toInstance(text: string): number | null {
  if (!/^[1-9]\d?$/.test(text)) return null;
  const instance = Number(text);
  return instance <= MAX_INSTANCE ? instance : null;
}

/** Strict, as with DKIM-Signature; or what is wrong. */
export function parseSeal(field: HeaderField, list: TagList): ArcSeal | string {
  const value = (name: string) => list.get(name)?.value ?? null;
  // RFC 8617 4.1.3: what a seal covers is fixed, so that nobody seals less.
  if (list.has("h")) return "a seal has no h=";
  const algorithm = readAlgorithm(value("a"));
  if (typeof algorithm === "object") return algorithm.reason;
  const b = list.get("b");
  const signature = b ? decodeBase64(b.value) : null;
  if (!b || !signature) return "b= is not base64";
  const cv = value("cv");
  if (cv !== "none" && cv !== "pass" && cv !== "fail") return "cv= is not known";
  const signer = readSigner(value("d"), value("s"), null);
  if (typeof signer === "string") return signer;
  if (Number.isNaN(readNumber(value("t")))) return "t= is no number";
  const { domain, selector } = signer;
  const signatureAt = { start: b.start, end: b.end };
  return { field, algorithm, signature, signatureAt, domain, selector, cv };
}

/** An ARC-Message-Signature (RFC 8617 4.1.2): one of DKIM whose i= is the instance. */
export function parseMessageSignature(field: HeaderField, list: TagList): DkimSignature | string {
  const signature = readSignedTags(field, list, null);
  if (typeof signature === "string") return signature;
  // RFC 8617 4.1.2: seals are made after it, and vouch for it.
  if (signature.signed.includes("arc-seal")) return "h= names ARC-Seal";
  return signature;
}

/** The tags of a field, or what is wrong. */
export function readTags(field: HeaderField): TagList | string {
  return parseTagList(field.rawValue);
}
