import { createPublicKey, type KeyObject } from "node:crypto";
import { trimBlanks } from "../../mail/header-block.ts";
import { decodeBase64, parseTagList, type TagList } from "./tag-list.ts";

/** A key record of RFC 6376 3.6.1 that may verify mail. */
export interface DkimKey {
  readonly type: "rsa" | "ed25519";
  readonly key: KeyObject;
  readonly bits: number;
  /** t=s: i= must be d= itself. */
  readonly strict: boolean;
  /** t=y */
  readonly testing: boolean;
}

/** RFC 8301 3.2: shorter ones were broken by hobbyists. */
const MIN_RSA_BITS = 1024;
/** RFC 8301 3.2 asks verifiers for 4096; longer ones only cost time, ten to a message. */
const MAX_RSA_BITS = 4096;
/** One of the key's length would make each verification as dear as a signature. */
const MAX_EXPONENT = 2n ** 32n;
const ED25519_OCTETS = 32;
/** RFC 8410 4: what stands before the 32 octets in a SubjectPublicKeyInfo. */
const ED25519_PREFIX = "302a300506032b6570032100";

/** The key, or why it may verify nothing. */
export function parseDkimKey(record: string): DkimKey | string {
  const list = parseTagList(record);
  if (typeof list === "string") return `key record: ${list}`;
  const refused = refuseRecord(list);
  if (refused) return refused;
  const bytes = decodeBase64(list.get("p")?.value ?? "");
  if (!bytes) return "the key is not base64";
  const flags = (list.get("t")?.value ?? "").split(":").map(trimBlanks);
  const common = { strict: flags.includes("s"), testing: flags.includes("y") };
  const type = list.get("k")?.value ?? "rsa";
  const key = type === "rsa" ? readRsa(bytes) : readEd25519(bytes);
  return typeof key === "string" ? key : { ...common, ...key };
}

function refuseRecord(list: TagList): string | null {
  const version = list.get("v");
  const first = list.keys().next().value;
  if (version && (version.value !== "DKIM1" || first !== "v")) return "v= is not DKIM1";
  const type = list.get("k")?.value ?? "rsa";
  if (type !== "rsa" && type !== "ed25519") return "k= is not known";
  if (!allows(list, "h", ["sha256"])) return "the key is not for sha256";
  if (!allows(list, "s", ["*", "email"])) return "the key is not for mail";
  const key = list.get("p");
  if (!key) return "the record has no key";
  return key.value === "" ? "the key is revoked" : null;
}

function allows(list: TagList, name: string, wanted: readonly string[]): boolean {
  const tag = list.get(name);
  return !tag || tag.value.split(":").some((item) => wanted.includes(trimBlanks(item)));
}

type ReadKey = Pick<DkimKey, "type" | "key" | "bits">;

function readRsa(bytes: Buffer): ReadKey | string {
  // RFC 6376 3.6.1 says RSAPublicKey, its examples and the world SubjectPublicKeyInfo.
  const key = toKey(bytes, "spki") ?? toKey(bytes, "pkcs1");
  const { modulusLength: bits, publicExponent } = key?.asymmetricKeyDetails ?? {};
  if (key?.asymmetricKeyType !== "rsa" || !bits || !publicExponent) return "no RSA key";
  if (bits < MIN_RSA_BITS) return `an RSA key of ${bits} bits proves nothing`;
  if (bits > MAX_RSA_BITS) return `an RSA key of ${bits} bits is too long`;
  if (publicExponent < 3n || publicExponent > MAX_EXPONENT)
    return "an RSA key with an odd exponent";
  return { type: "rsa", key, bits };
}

function readEd25519(bytes: Buffer): ReadKey | string {
  if (bytes.length !== ED25519_OCTETS) return "no Ed25519 key";
  const key = toKey(Buffer.concat([Buffer.from(ED25519_PREFIX, "hex"), bytes]), "spki");
  return key ? { type: "ed25519", key, bits: 256 } : "no Ed25519 key";
}

function toKey(key: Buffer, type: "spki" | "pkcs1"): KeyObject | null {
  try {
    return createPublicKey({ key, format: "der", type });
  } catch {
    return null;
  }
}
