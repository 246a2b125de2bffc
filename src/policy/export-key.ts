import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";

/** The pair with which recipient exports are signed (Ed25519, RFC 8032). */
export interface ExportKeyPair {
  /** PKCS #8 PEM, as openssl makes it too. */
  readonly privatePem: string;
  /** The 32 octets of the public key in base64: what stands in domains.yaml. */
  readonly publicText: string;
}

export function makeExportKeyPair(): ExportKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const privatePem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return { privatePem, publicText: publicTextOf(publicKey) };
}

/** Null when the text is no public key. */
export function parsePublicKey(text: string): KeyObject | null {
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) return null;
  const x = Buffer.from(text, "base64").toString("base64url");
  try {
    return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  } catch {
    return null;
  }
}

/** Null when the text is no private Ed25519 key in PEM. */
export function parsePrivateKey(pem: string): KeyObject | null {
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyType === "ed25519" ? key : null;
  } catch {
    return null;
  }
}

/** Of a public or a private key. */
function publicTextOf(key: KeyObject): string {
  const own = key.type === "private" ? createPublicKey(key) : key;
  return Buffer.from(own.export({ format: "jwk" }).x ?? "", "base64url").toString("base64");
}
