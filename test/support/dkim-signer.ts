import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/** A key pair, and the record that publishes it. */
export interface SigningKey {
  readonly algorithm: "rsa-sha256" | "ed25519-sha256" | "rsa-sha1";
  readonly privateKey: KeyObject;
  readonly record: string;
}

export function makeRsaKey(bits = 2048, tags = ""): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: bits });
  return { algorithm: "rsa-sha256", privateKey, record: toRecord(publicKey, "rsa", tags) };
}

export function makeEd25519Key(tags = ""): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { algorithm: "ed25519-sha256", privateKey, record: toRecord(publicKey, "ed25519", tags) };
}

export function toRecord(publicKey: KeyObject, type: "rsa" | "ed25519", tags = ""): string {
  const der = publicKey.export({ type: "spki", format: "der" });
  const octets = type === "rsa" ? der : der.subarray(-32);
  return `v=DKIM1; k=${type}; ${tags}p=${octets.toString("base64")}`;
}

export interface SignOptions {
  readonly key: SigningKey;
  readonly domain: string;
  readonly selector?: string;
  readonly c?: string;
  /** h= */
  readonly signed?: string;
  /** More tags, `; x=1`. */
  readonly more?: string;
  /** l=, and as many octets are hashed. */
  readonly length?: number;
  /** Instead of the tag `a=` that the key has. */
  readonly a?: string;
  readonly bodyHash?: string;
}

/**
 * The message with a DKIM-Signature on top. A signer of its own, written from RFC 6376 with regular
 * expressions over the whole text: it shares nothing with the verifier under test.
 */
export function signMessage(message: string, options: SignOptions): string {
  const { key, domain, selector = "s1", c = "relaxed/relaxed", more = "", length } = options;
  const signed = options.signed ?? "from:to:subject:date";
  const split = message.indexOf("\r\n\r\n");
  const head = message.slice(0, split + 2);
  const [headerMode = "simple", bodyMode = "simple"] = c.split("/");
  const whole = canonicalBody(message.slice(split + 4), bodyMode);
  const body = length === undefined ? whole : whole.slice(0, length);
  const hash = options.bodyHash ?? createHash("sha256").update(body, "latin1").digest("base64");
  const l = length === undefined ? "" : `; l=${length}`;
  const a = options.a ?? key.algorithm;
  const tags = ` v=1; a=${a}; c=${c}; d=${domain}; s=${selector};\r\n\th=${signed};\r\n\tbh=${hash}${l}${more}; b=`;
  const octets =
    signedText(head, signed, headerMode) + canonicalField(`DKIM-Signature:${tags}`, headerMode);
  return `DKIM-Signature:${tags}${signOctets(Buffer.from(octets, "latin1"), key)}\r\n${message}`;
}

export function signOctets(octets: Buffer, { algorithm, privateKey }: SigningKey): string {
  if (algorithm === "ed25519-sha256")
    return sign(null, createHash("sha256").update(octets).digest(), privateKey).toString("base64");
  return sign(algorithm === "rsa-sha1" ? "sha1" : "sha256", octets, privateKey).toString("base64");
}

export function signedText(head: string, signed: string, mode: string): string {
  const left = head.split(/\r\n(?![ \t])/).filter(Boolean);
  return signed
    .split(":")
    .map((name) => {
      const wanted = name.trim().toLowerCase();
      const at = left.findLastIndex(
        (field) => field.split(":")[0]?.trim().toLowerCase() === wanted,
      );
      if (at < 0) return "";
      const [field = ""] = left.splice(at, 1);
      return `${canonicalField(field, mode)}\r\n`;
    })
    .join("");
}

export function canonicalField(field: string, mode: string): string {
  if (mode === "simple") return field;
  const colon = field.indexOf(":");
  const value = field
    .slice(colon + 1)
    .replace(/\r\n/g, "")
    .replace(/[ \t]+/g, " ")
    .trim();
  return `${field.slice(0, colon).trim().toLowerCase()}:${value}`;
}

/** RFC 6376 3.4.3 and 3.4.4, the slow way. */
export function canonicalBody(body: string, mode: string): string {
  if (mode === "simple") return `${body.replace(/(?:\r\n)*$/, "")}\r\n`;
  const lines = body.split("\r\n").map((line) => line.replace(/[ \t]+/g, " ").replace(/ $/, ""));
  const text = lines.join("\r\n").replace(/(?:\r\n)*$/, "");
  return text === "" ? "" : `${text}\r\n`;
}
