import { createHash } from "node:crypto";
import {
  canonicalBody,
  canonicalField,
  type SigningKey,
  signedText,
  signOctets,
} from "./dkim-signer.ts";

export interface SealOptions {
  readonly key: SigningKey;
  /** d= of the seal, and of the message signature unless `signatureDomain` says otherwise. */
  readonly domain: string;
  readonly signatureDomain?: string;
  readonly selector?: string;
  /** What stands behind the authserv-id: `dmarc=pass header.from=example.org`. */
  readonly results?: string;
  /** Default: one more than the message has. */
  readonly instance?: number | string;
  /** Default: `none` for the first set, else `pass`. */
  readonly cv?: string;
  readonly c?: string;
  /** h= */
  readonly signed?: string;
  /** More tags of the message signature, `; x=1`. */
  readonly more?: string;
  /** More tags of the seal. */
  readonly moreOfSeal?: string;
}

const SET_FIELD = /^(arc-seal|arc-message-signature|arc-authentication-results)\s*:/i;

/**
 * The message with one more ARC set on top (RFC 8617 5.1). A sealer of its own, written with regular
 * expressions over the whole text: it shares nothing with the verifier under test, and seals
 * whatever it is told, nonsense included.
 */
export function sealMessage(message: string, options: SealOptions): string {
  const { key, domain, selector = "s1", moreOfSeal = "" } = options;
  const count = fieldsOf(message).filter((field) => /^arc-seal\s*:/i.test(field)).length;
  const instance = options.instance ?? count + 1;
  const cv = options.cv ?? (String(instance) === "1" ? "none" : "pass");
  const results = options.results ?? "spf=none smtp.mailfrom=nobody.test";
  const told = `ARC-Authentication-Results: i=${instance}; mx.${domain};\r\n\t${results}\r\n${message}`;
  const signed = `${signature(message, options, instance)}\r\n${told}`;
  const seal = `ARC-Seal: i=${instance}; a=${key.algorithm}; cv=${cv}; d=${domain}; s=${selector}${moreOfSeal};\r\n\tb=`;
  const octets = `${setsOf(signed)}${canonicalField(seal, "relaxed")}`;
  return `${seal}${signOctets(Buffer.from(octets, "latin1"), key)}\r\n${signed}`;
}

function signature(message: string, options: SealOptions, instance: number | string): string {
  const { key, domain, selector = "s1", c = "relaxed/relaxed", more = "" } = options;
  const signed = options.signed ?? "from:to:subject:date";
  const split = message.indexOf("\r\n\r\n");
  const [headerMode = "simple", bodyMode = "simple"] = c.split("/");
  const body = canonicalBody(message.slice(split + 4), bodyMode);
  const hash = createHash("sha256").update(body, "latin1").digest("base64");
  const d = options.signatureDomain ?? domain;
  const field = `ARC-Message-Signature: i=${instance}; a=${key.algorithm}; c=${c}; d=${d}; s=${selector};\r\n\th=${signed};\r\n\tbh=${hash}${more}; b=`;
  const octets =
    signedText(message.slice(0, split + 2), signed, headerMode) + canonicalField(field, headerMode);
  return field + signOctets(Buffer.from(octets, "latin1"), key);
}

/** All sets of the message by instance: results, signature, and the seal where there is one. */
function setsOf(message: string): string {
  const fields = fieldsOf(message).filter((field) => SET_FIELD.test(field));
  const order = ["arc-authentication-results", "arc-message-signature", "arc-seal"];
  const place = (field: string) => order.indexOf((field.split(":")[0] ?? "").trim().toLowerCase());
  const instanceOf = (field: string) => Number(/[:;]\s*i\s*=\s*(\d+)/.exec(field)?.[1] ?? 0);
  return fields
    .toSorted((a, b) => instanceOf(a) - instanceOf(b) || place(a) - place(b))
    .map((field) => `${canonicalField(field, "relaxed")}\r\n`)
    .join("");
}

function fieldsOf(message: string): readonly string[] {
  return message
    .slice(0, message.indexOf("\r\n\r\n") + 2)
    .split(/\r\n(?![ \t])/)
    .filter(Boolean);
}
