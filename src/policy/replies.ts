import { z } from "zod";
import type { Cause } from "../pipeline/cause.ts";
import { checkShape } from "./check-shape.ts";
import { hint } from "./nearest.ts";
import type { ReplyWords } from "./snapshot.ts";
import type { Source } from "./source.ts";

/** A reply line has 512 octets (RFC 5321 4.5.3.1.5); code, reference and footer need the rest. */
const MAX_TEXT_CHARS = 300;
const MAX_FOOTER_CHARS = 120;

/** The type is closed, so the compiler notices when a cause is missing here. */
const CAUSES: { readonly [C in Cause]: true } = {
  "client-listed": true,
  "client-blocked": true,
  "too-many-connections": true,
  draining: true,
  rate: true,
  greylisted: true,
  "reverse-name": true,
  "helo-malformed": true,
  "helo-forged": true,
  "sender-domain-missing": true,
  "sender-domain-no-mail": true,
  "sender-domain-unresolved": true,
  "sender-null-mx": true,
  "sender-denied": true,
  "sender-not-ours": true,
  "author-not-own": true,
  "spf-fail": true,
  "spf-temporary": true,
  "sender-id-fail": true,
  "dmarc-reject": true,
  "dmarc-quarantine": true,
  "from-malformed": true,
  "recipient-unknown": true,
  "recipient-unverified": true,
  "bounce-untagged": true,
  "relay-denied": true,
  "no-route": true,
  "too-many-recipients": true,
  "recipients-differ": true,
  "too-large": true,
  "header-too-large": true,
  "bare-line-ending": true,
  "too-slow": true,
  loop: true,
  attachment: true,
  malware: true,
  spam: true,
  unscannable: true,
  "origin-unknown": true,
  "check-unavailable": true,
  "no-space": true,
  "busy-resources": true,
  "hub-lacks-8bit": true,
  "hub-lacks-utf8": true,
  "hub-refused": true,
  "hub-deferred": true,
  undeliverable: true,
  "internal-error": true,
};

const words = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[\x20-\x7e]*$/, "expected ASCII text on one line");

const repliesSchema = z.strictObject({
  texts: z.record(z.string(), words(MAX_TEXT_CHARS)).default({}),
  footer: words(MAX_FOOTER_CHARS).nullable().default(null),
});

/** `replies.yaml`: own words by cause. Undefined after problems were reported. */
export function compileReplies(source: Source): ReplyWords | undefined {
  const file = checkShape(repliesSchema, source);
  if (!file) return undefined;
  for (const cause of Object.keys(file.texts)) {
    if (Object.hasOwn(CAUSES, cause)) continue;
    const meant = hint(cause, Object.keys(CAUSES));
    source.complain(["texts", cause], `unknown cause \`${cause}\`${meant}`, "key");
  }
  return { texts: new Map(Object.entries(file.texts)), footer: file.footer };
}
