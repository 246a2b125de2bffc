import { z } from "zod";
import { parseDomainName } from "../mail/domain-name.ts";
import { parseDomainPattern } from "./domain-pattern.ts";
import { durationSchema } from "./duration.ts";
import { parsedText } from "./parsed-text.ts";

/** One of each kind, and both once more while a new pair takes over; each adds 600 octets of header. */
const MAX_KEYS_OF_A_DOMAIN = 4;

const keyFields = {
  selector: parsedText(parseSelector, "a selector such as r202611"),
  file: z.string().min(1),
};
const keySchema = z.strictObject(keyFields);

const sealSchema = z.strictObject({
  domain: parsedText(parseSigner, "a domain such as example.org"),
  ...keyFields,
  seal: z.enum(["changed", "always"]).default("changed"),
});

/** `signing.yaml` in its own shape. */
export const signingSchema = z.strictObject({
  keys: z
    .record(z.string(), z.union([keySchema, z.array(keySchema).min(1).max(MAX_KEYS_OF_A_DOMAIN)]))
    .default({}),
  expires: durationSchema("1d", "365d").nullable().default(null),
  onFailure: z.enum(["defer", "send"]).default("defer"),
  arc: sealSchema.nullable().default(null),
});

export type SigningFile = z.infer<typeof signingSchema>;
export type WrittenKey = z.infer<typeof keySchema>;

/** `example.org` or `*.example.org`; null: no key can be for it. */
export function parseKeyPattern(text: string): string | null {
  const pattern = parseDomainPattern(text);
  return pattern !== null && signerOf(pattern).includes(".") ? pattern : null;
}

/** d=: of a wildcard the domain itself, which may speak for its subdomains (RFC 9989 alignment). */
export function signerOf(pattern: string): string {
  return pattern.replace(/^\*\./, "");
}

function parseSelector(text: string): string | null {
  return parseDomainName(text, { utf8: false });
}

function parseSigner(text: string): string | null {
  const domain = parseDomainName(text, { utf8: true });
  return domain?.includes(".") ? domain : null;
}
