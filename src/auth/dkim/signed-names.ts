import { type HeaderBlock, toNameKey } from "../../mail/header-block.ts";

/**
 * Fields of which a message has one, or none. Each is named once more than it is there, so that a
 * signature breaks when somebody adds one (RFC 6376 8.15): a second Subject is what some reader shows.
 */
const SINGLE: readonly string[] = [
  "from",
  "to",
  "cc",
  "subject",
  "date",
  "message-id",
  "reply-to",
  "in-reply-to",
  "references",
  "mime-version",
  "content-type",
  "content-transfer-encoding",
];

/**
 * Fields that say something and are named when they are there (RFC 6376 5.4.1). Who sends a message
 * on may add them: a mailing list its List-*, a forwarder its Resent-*. Never what servers write on
 * the way: Received, Return-Path, Authentication-Results, ARC-*, X-*.
 */
const WHEN_PRESENT: readonly string[] = [
  "sender",
  "content-id",
  "content-description",
  "content-disposition",
  "content-language",
  "auto-submitted",
  "tls-required",
  "resent-date",
  "resent-from",
  "resent-sender",
  "resent-to",
  "resent-cc",
  "resent-message-id",
  "list-id",
  "list-help",
  "list-unsubscribe",
  "list-unsubscribe-post",
  "list-subscribe",
  "list-post",
  "list-owner",
  "list-archive",
];

/** Honest mail has none of them twice; h= must stay a few lines. */
const MAX_NAMES = 100;

/**
 * The value of h= for a message, or null when it would be absurd. `also`: more names that are signed
 * when they are there.
 */
export function toSignedNames(
  headers: HeaderBlock,
  also: readonly string[] = [],
): readonly string[] | null {
  const counts = new Map<string, number>();
  for (const { name } of headers.fields) {
    const key = toNameKey(name);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const repeated = (name: string, more: number) =>
    Array.from({ length: Math.min((counts.get(name) ?? 0) + more, MAX_NAMES + 1) }, () => name);
  const names = [
    ...SINGLE.flatMap((name) => repeated(name, 1)),
    ...[...WHEN_PRESENT, ...also].flatMap((name) => repeated(name, 0)),
  ];
  return names.length > MAX_NAMES ? null : names;
}
