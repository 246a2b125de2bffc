import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { promisify } from "node:util";
import type { DkimSignature } from "./dkim-signature.ts";

/** The private half of a key. */
export interface PrivateKey {
  readonly algorithm: DkimSignature["algorithm"];
  readonly key: KeyObject;
  readonly bits: number;
}

/** A key, and whom it speaks for: d= and s=. */
export interface SigningKey extends PrivateKey {
  /** A-labels. */
  readonly domain: string;
  readonly selector: string;
}

export type KeyType = "rsa" | "ed25519";

/** RFC 8301 3.2: shorter ones prove nothing, and verifiers need not take longer ones. */
const MIN_RSA_BITS = 1024;
export const MAX_RSA_BITS = 4096;
/** RFC 8301 3.2: what signers should use. */
export const WANTED_RSA_BITS = 2048;
const ED25519_OCTETS = 32;
const ED25519_BITS = 256;

/** A new key, as PKCS #8 in PEM. */
export function makeSigningKey(type: KeyType, bits: number = WANTED_RSA_BITS): string {
  const { privateKey } =
    type === "rsa"
      ? generateKeyPairSync("rsa", { modulusLength: bits })
      : generateKeyPairSync("ed25519");
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** The key of a PEM file, or why nobody can sign with it. Never quotes the text: it is a secret. */
export function parseSigningKey(pem: string): PrivateKey | string {
  const key = toPrivateKey(pem);
  if (!key) return "expected a private key in PEM form without a passphrase";
  if (key.asymmetricKeyType === "ed25519")
    return { algorithm: "ed25519-sha256", key, bits: ED25519_BITS };
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== "rsa")
    return `expected an RSA or Ed25519 key, got ${key.asymmetricKeyType}`;
  if (bits < MIN_RSA_BITS)
    return `expected an RSA key of at least ${MIN_RSA_BITS} bits, got ${bits}: nobody would believe it`;
  if (bits > MAX_RSA_BITS)
    return `expected an RSA key of at most ${MAX_RSA_BITS} bits, got ${bits}: many could not read it`;
  return { algorithm: "rsa-sha256", key, bits };
}

function toPrivateKey(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem);
  } catch {
    return null;
  }
}

/** What DNS must say at `selector._domainkey.domain` (RFC 6376 3.6.1, RFC 8463 4). */
export function toKeyRecord({ key, algorithm }: PrivateKey): string {
  const der = createPublicKey(key).export({ type: "spki", format: "der" });
  const isRsa = algorithm === "rsa-sha256";
  const octets = isRsa ? der : der.subarray(-ED25519_OCTETS);
  return `v=DKIM1; k=${isRsa ? "rsa" : "ed25519"}; p=${octets.toString("base64")}`;
}

/**
 * Not KeyObject.equals: after it has compared keys of two kinds, OpenSSL keeps an error by which Node
 * 26.10 takes the next good PEM for a broken one.
 */
export function isSameKey(one: PrivateKey, other: PrivateKey): boolean {
  return toKeyRecord(one) === toKeyRecord(other);
}

const signAsync = promisify(sign);

/** In a thread of the pool: an RSA signature takes a millisecond. */
export function signOctets(octets: Buffer, { algorithm, key }: PrivateKey): Promise<Buffer> {
  if (algorithm === "rsa-sha256") return signAsync("sha256", octets, key);
  // RFC 8463 3: Ed25519 over the hash, not over the text.
  return signAsync(null, createHash("sha256").update(octets).digest(), key);
}
