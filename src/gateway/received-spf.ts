import { judgedEvidence } from "../auth/sender-identities.ts";
import type { SpfCheck } from "../auth/spf/check-spf.ts";
import type { StageReport } from "../pipeline/report.ts";
import type { SpfEvidence } from "../stages/spf.ts";
import { toPrintable, toQuotedString } from "./header-values.ts";

/** A term of a record may be as long as the record; an address has 320 octets at most. */
const MAX_VALUE_CHARS = 400;

/**
 * RFC 7208 9.1, one for each identity that was checked, MAIL FROM first. What we know for
 * sure stands before what the sender and his zone say, so that a reader who takes the first
 * `client-ip=` he sees takes ours.
 */
export function receivedSpf(receiver: string, reports: readonly StageReport[]): readonly string[] {
  const spf = judgedEvidence(reports, "spf") as unknown as SpfEvidence | null;
  return spf ? [spf, spf.heloCheck ?? []].flat().map((check) => toField(receiver, check)) : [];
}

function toField(receiver: string, spf: SpfCheck): string {
  const pairs = [
    toPair("receiver", receiver),
    toPair("client-ip", spf.ip),
    toPair("identity", spf.identity),
    toPair("envelope-from", spf.sender),
    toPair("helo", spf.helo),
    toPair("mechanism", spf.mechanism),
    toPair("problem", spf.problem),
  ].flat();
  const comment = `${receiver}: ${PHRASES[spf.result]} ${spf.domain}`;
  return `${spf.result} (${toComment(comment)}) ${pairs.join("; ")}`;
}

const PHRASES: { readonly [R in SpfCheck["result"]]: string } = {
  none: "no SPF record at",
  neutral: "nothing said about this client by",
  pass: "client permitted by",
  fail: "client not permitted by",
  softfail: "client probably not permitted by",
  temperror: "temporary error in the look-up of",
  permerror: "unusable SPF record at",
};

/** A dot-atom of RFC 5322 3.2.3 as it is, anything else (an IPv6 address too) as a quoted string. */
const DOT_ATOM = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;

function toPair(key: string, value: string | null): readonly string[] {
  if (value === null) return [];
  const clean = toPrintable(value).slice(0, MAX_VALUE_CHARS);
  return [`${key}=${DOT_ATOM.test(clean) ? clean : toQuotedString(clean)}`];
}

/** A backslash at its end would quote the bracket that closes it. */
function toComment(text: string): string {
  return toPrintable(text).slice(0, MAX_VALUE_CHARS).replaceAll("\\", "?");
}
