import { formatDuration } from "../policy/duration.ts";
import type { AcceptedDomain, RecipientSource } from "../policy/snapshot.ts";
import type { Warning } from "./check-listeners.ts";

/** How each domain knows its recipients: one line each. */
export function recipientLines(domains: readonly AcceptedDomain[], now: number): readonly string[] {
  return domains.map(({ name, type, recipients }) => {
    const words = type === "authoritative" ? "" : ` (${type})`;
    return `${name}${words}: ${describe(recipients, now)}`;
  });
}

/** For programs. */
export function recipientsJson(domains: readonly AcceptedDomain[]): unknown {
  return domains.map(({ name, type, recipients }) => {
    if (recipients.kind !== "list") return { domain: name, type, by: recipients.kind };
    const { from, count, age } = recipients;
    const made = age && { made: toIso(age.madeAt), freshUntil: toIso(age.freshUntil) };
    return { domain: name, type, by: "list", from, count, ...made };
  });
}

/** Lists that have become stale: nobody is unknown by them any more. */
export function checkStaleLists(
  domains: readonly AcceptedDomain[],
  now: number,
): readonly Warning[] {
  return domains.flatMap(({ name, recipients }) => {
    if (recipients.kind !== "list" || !recipients.age) return [];
    const { madeAt, freshUntil, stale } = recipients.age;
    if (now <= freshUntil) return [];
    const effect = stale === "accept" ? "everyone is accepted" : "who is not in it is deferred";
    const message = `${recipients.from} is stale, of ${toIso(madeAt)}: ${effect}`;
    return [{ subject: name, message }];
  });
}

function describe(recipients: RecipientSource, now: number): string {
  switch (recipients.kind) {
    case "any":
      return "everyone; nobody is looked up";
    case "call-out":
      return `the hub is asked, at most ${recipients.rules.perMinute} times a minute`;
    case "list": {
      const { count, from, age, tags } = recipients;
      const tagged = tags === undefined ? "" : `, with tags behind ${tags}`;
      const entries = count === 1 ? "1 address" : `${count} addresses`;
      if (!age) return `${entries} in ${from}${tagged}`;
      const old = describeAge(now - age.madeAt);
      const fresh = formatDuration(age.freshUntil - age.madeAt);
      return `${entries} in ${from}${tagged}, ${old} old, fresh for ${fresh}`;
    }
  }
}

function describeAge(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000));
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d`;
}

function toIso(at: number): string {
  return new Date(at).toISOString();
}
