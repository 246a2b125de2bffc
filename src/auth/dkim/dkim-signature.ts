import { parseDomainName } from "../../mail/domain-name.ts";
import { type HeaderField, trimBlanks } from "../../mail/header-block.ts";
import { decodeBase64, parseTagList, type TagList, withoutBlanks } from "./tag-list.ts";

export type Canonicalization = "simple" | "relaxed";

/** A DKIM-Signature of RFC 6376 3.5 that can be verified. */
export interface DkimSignature {
  readonly field: HeaderField;
  readonly algorithm: "rsa-sha256" | "ed25519-sha256";
  /** b=, decoded. */
  readonly signature: Buffer;
  /** Where the value of b= stands in the raw value of the field. */
  readonly signatureAt: { readonly start: number; readonly end: number };
  /** bh=, decoded. */
  readonly bodyHash: Buffer;
  readonly header: Canonicalization;
  readonly body: Canonicalization;
  /** A-labels. */
  readonly domain: string;
  readonly selector: string;
  /** i=, or @d. */
  readonly identity: string;
  /** The domain of i= is d= itself; keys may ask for that (t=s). */
  readonly isExact: boolean;
  /** h=, lower case, in order, repetitions included. */
  readonly signed: readonly string[];
  /** l= */
  readonly length: number | null;
  /** t= and x=, seconds since the epoch. */
  readonly signedAt: number | null;
  readonly expiresAt: number | null;
}

/** What can be said of any signature, however broken it is. */
export type SignatureTags = {
  readonly domain: string;
  readonly selector: string;
  readonly identity: string;
  readonly algorithm: string;
  readonly canonicalization: string;
  readonly b: string;
};

export type ParsedSignature = { readonly tags: SignatureTags } & (
  | { readonly kind: "signature"; readonly signature: DkimSignature }
  | { readonly kind: "unusable"; readonly reason: string }
);

const NO_TAGS: SignatureTags = {
  domain: "",
  selector: "",
  identity: "",
  algorithm: "",
  canonicalization: "",
  b: "",
};

/** Strict: whatever is not exactly as RFC 6376 3.5 has it makes the signature count for nothing. */
export function parseSignature(field: HeaderField): ParsedSignature {
  const list = parseTagList(field.rawValue);
  if (typeof list === "string") return { kind: "unusable", reason: list, tags: NO_TAGS };
  const tags = toTags(list);
  const signature = readSignature(field, list);
  if (typeof signature === "string") return { kind: "unusable", reason: signature, tags };
  return { kind: "signature", signature, tags };
}

/** A name in a log or a header; longer ones are nobody's. */
const MAX_SHOWN = 300;
/** RFC 6008 4: enough of b= to tell signatures apart. */
const SHOWN_OF_B = 8;

function toTags(list: TagList): SignatureTags {
  const shown = (name: string) => (list.get(name)?.value ?? "").slice(0, MAX_SHOWN);
  return {
    domain: shown("d"),
    selector: shown("s"),
    identity: shown("i"),
    algorithm: shown("a"),
    canonicalization: shown("c") || "simple/simple",
    b: withoutBlanks(list.get("b")?.value ?? "").slice(0, SHOWN_OF_B),
  };
}

function readSignature(field: HeaderField, list: TagList): DkimSignature | string {
  const value = (name: string) => list.get(name)?.value ?? null;
  if (value("v") !== "1") return "v= is not 1";
  return readSignedTags(field, list, value("i"));
}

/** What DKIM-Signature and ARC-Message-Signature (RFC 8617 4.1.2) have in common. */
export function readSignedTags(
  field: HeaderField,
  list: TagList,
  identity: string | null,
): DkimSignature | string {
  const value = (name: string) => list.get(name)?.value ?? null;
  const algorithm = readAlgorithm(value("a"));
  if (typeof algorithm === "object") return algorithm.reason;
  const b = list.get("b");
  const signature = b ? decodeBase64(b.value) : null;
  if (!b || !signature) return "b= is not base64";
  const bodyHash = decodeBase64(value("bh") ?? "");
  if (bodyHash?.length !== SHA256_OCTETS) return "bh= is not a SHA-256 hash";
  const canonical = readCanonicalization(value("c") ?? "simple/simple");
  if (!canonical) return "c= is not known";
  const signer = readSigner(value("d"), value("s"), identity);
  if (typeof signer === "string") return signer;
  const signed = readSigned(value("h"));
  if (!signed) return "h= is no list of names";
  if (!signed.includes("from")) return "h= does not name From";
  if (!(value("q") ?? "dns/txt").split(":").some((query) => trimBlanks(query) === "dns/txt"))
    return "q= knows no dns/txt";
  const numbers = readNumbers(value("l"), value("t"), value("x"));
  if (typeof numbers === "string") return numbers;
  const signatureAt = { start: b.start, end: b.end };
  return {
    field,
    algorithm,
    signature,
    signatureAt,
    bodyHash,
    ...canonical,
    ...signer,
    signed,
    ...numbers,
  };
}

const SHA256_OCTETS = 32;

export function readAlgorithm(
  text: string | null,
): DkimSignature["algorithm"] | { readonly reason: string } {
  if (text === "rsa-sha256" || text === "ed25519-sha256") return text;
  // RFC 8301 3.1: never to be taken for a signature.
  if (text === "rsa-sha1") return { reason: "rsa-sha1 proves nothing" };
  return { reason: "a= is not known" };
}

function readCanonicalization(text: string): Pick<DkimSignature, "header" | "body"> | null {
  const [header = "", body = "simple", ...more] = text.split("/");
  if (more.length > 0 || !isCanonicalization(header) || !isCanonicalization(body)) return null;
  return { header, body };
}

function isCanonicalization(text: string): text is Canonicalization {
  return text === "simple" || text === "relaxed";
}

type Signer = Pick<DkimSignature, "domain" | "selector" | "identity" | "isExact">;

/** RFC 6376 3.5; names are checked as names before anybody asks DNS for them. */
export function readSigner(d: string | null, s: string | null, i: string | null): Signer | string {
  const domain = toName(d ?? "");
  // A top-level domain signs no mail, and would speak for everybody below it.
  if (!domain?.includes(".")) return "d= is no domain";
  const selector = toName(s ?? "");
  if (!selector) return "s= is no selector";
  if (i === null) return { domain, selector, identity: `@${domain}`, isExact: true };
  const at = i.lastIndexOf("@");
  const own = at < 0 ? null : toName(i.slice(at + 1));
  if (own === null) return "i= has no domain";
  if (own !== domain && !own.endsWith(`.${domain}`)) return "i= is not within d=";
  return { domain, selector, identity: i.slice(0, MAX_SHOWN), isExact: own === domain };
}

/** RFC 8616: U-labels may stand in mail of SMTPUTF8. */
function toName(text: string): string | null {
  return parseDomainName(Buffer.from(text, "latin1").toString("utf8"), { utf8: true });
}

function readSigned(h: string | null): readonly string[] | null {
  const names = (h ?? "").split(":").map((name) => trimBlanks(name).toLowerCase());
  return names.every((name) => /^[\x21-\x39\x3c-\x7e]+$/.test(name)) ? names : null;
}

type Numbers = Pick<DkimSignature, "length" | "signedAt" | "expiresAt">;

function readNumbers(l: string | null, t: string | null, x: string | null): Numbers | string {
  const length = readNumber(l);
  const signedAt = readNumber(t);
  const expiresAt = readNumber(x);
  if (Number.isNaN(length)) return "l= is no number";
  if (Number.isNaN(signedAt)) return "t= is no number";
  if (Number.isNaN(expiresAt)) return "x= is no number";
  if (signedAt !== null && expiresAt !== null && expiresAt <= signedAt) return "x= is before t=";
  return { length, signedAt, expiresAt };
}

/** RFC 6376 3.5 allows more digits than a number holds exactly, and nobody needs them. */
export function readNumber(text: string | null): number | null {
  if (text === null) return null;
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
}
