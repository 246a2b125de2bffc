import { z } from "zod";
import { type Address, parseMailbox } from "../mail/address.ts";
import { parseDomainName } from "../mail/domain-name.ts";
import type { AddressPattern } from "./address-map.ts";
import { parseDomainPattern } from "./domain-pattern.ts";
import { parsedText } from "./parsed-text.ts";

/** A list that is longer is made by a program, and belongs into a directory. */
const MAX_ENTRIES = 10_000;
/** Each copy is one more message to spool before the sender has his answer. */
const MAX_COPY_RULES = 100;

const pattern = parsedText(parsePattern, "an address, a domain or *.domain, in ASCII");
const mailbox = parsedText(parsePlainMailbox, "an address in ASCII without % ! : and quotes");
const copyPattern = parsedText(parseCopyPattern, "an address, a domain, *.domain or *");

const addressSchema = z.strictObject({
  internal: pattern,
  external: pattern,
  direction: z.enum(["both", "outbound", "inbound"]).optional(),
});

const redirectSchema = z.strictObject({ recipient: mailbox, to: mailbox });

const srsSchema = z.strictObject({
  domain: parsedText((text) => parseDomainName(text, { utf8: true }), "a domain"),
  // A day comes back after 1024: long before that it must be stale.
  maxAgeDays: z.int().min(1).max(365).default(21),
  hashLength: z.int().min(4).max(20).default(6),
});

const bounceTagSchema = z.preprocess(
  (value) => value ?? {},
  z.strictObject({
    mode: z.enum(["observe", "enforce"]).default("observe"),
    validDays: z.int().min(1).max(90).default(7),
  }),
);

const copySchema = z.strictObject({
  recipients: z.array(copyPattern).min(1).optional(),
  senders: z.array(copyPattern).min(1).optional(),
  to: mailbox,
});

/** `rewriting.yaml` in its own shape. */
export const rewritingSchema = z.strictObject({
  addresses: z.array(addressSchema).max(MAX_ENTRIES).default([]),
  redirects: z.array(redirectSchema).max(MAX_ENTRIES).default([]),
  srs: srsSchema.nullable().default(null),
  bounceTags: z.record(z.string(), bounceTagSchema).default({}),
  copies: z.array(copySchema).max(MAX_COPY_RULES).default([]),
});

export type RewritingFile = z.infer<typeof rewritingSchema>;

/** A wildcard has no way back. */
export function directionOf({
  internal,
  direction,
}: RewritingFile["addresses"][number]): "both" | "outbound" | "inbound" {
  return direction ?? (internal.kind === "wildcard" ? "outbound" : "both");
}

/** Only ASCII: it is written into headers of mail that may be seven-bit. */
function parsePattern(text: string): AddressPattern | null {
  if (text.includes("@")) {
    const address = parsePlainMailbox(text);
    return address && { kind: "address", localPart: address.localPart, domain: address.domain };
  }
  const domain = text === "*" ? null : parseDomainPattern(text);
  if (domain === null) return null;
  return { kind: domain.startsWith("*.") ? "wildcard" : "domain", domain };
}

/** No form that some server takes for a route (threats.md P5): nobody could be reached by it. */
function parsePlainMailbox(text: string): Address | null {
  const address = /^[!-~]+$/.test(text) ? parseMailbox(text) : null;
  if (!address || /["%!:]/.test(address.localPart) || address.domain.startsWith("[")) return null;
  return address;
}

function parseCopyPattern(text: string): AddressPattern | null {
  return text === "*" ? { kind: "wildcard", domain: "*" } : parsePattern(text);
}
