import { parseMailbox } from "../mail/address.ts";
import { parseDomainName } from "../mail/domain-name.ts";
import { mailboxKey, withoutTag } from "../mail/local-part.ts";

/** A local part in the one form under which it is compared. */
export type RecipientKey = string;

/** No local part: a NUL is never part of an address. */
export const EVERYONE: RecipientKey = "\0everyone";

/** One line of a list: who exists, or that everybody does. */
export interface RecipientEntry {
  readonly key: RecipientKey;
  readonly domain: string;
}

/** What a list says of a recipient: his address, what it is without its tag, or `@domain`. */
export type Known = "yes" | "tag" | "everyone" | "no";

/** `user@domain`, or `@domain` for everyone there. */
export function parseRecipientEntry(entry: string): RecipientEntry | null {
  if (entry.startsWith("@")) {
    const domain = parseDomainName(entry.slice(1), { utf8: true });
    return domain === null ? null : { key: EVERYONE, domain };
  }
  const address = parseMailbox(entry);
  return address && { key: keyOf(address.localPart), domain: address.domain };
}

export function keyOf(localPart: string): RecipientKey {
  return mailboxKey(localPart);
}

/** Looks up the address as it is first: a mailbox may have the separator in its name. */
export function lookUp(
  hasKey: (key: RecipientKey) => boolean,
  localPart: string,
  tags: string | null,
): Known {
  const key = keyOf(localPart);
  if (hasKey(key)) return "yes";
  const bare = tags === null ? null : withoutTag(key, tags);
  if (bare !== null && hasKey(bare)) return "tag";
  return hasKey(EVERYONE) ? "everyone" : "no";
}
