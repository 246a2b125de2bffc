import type { DmarcAuthResult, DmarcOverride } from "../../pipeline/facts.ts";
import type { CountedDmarcResult, DmarcDay } from "../../tracking/tracking.ts";

/** About one policy domain on one day. */
export interface DmarcReport {
  readonly domain: string;
  /** A date in UTC. */
  readonly day: string;
  /** `2026-11-24.example.org@mx1.example.net`: the same when it is sent again. */
  readonly id: string;
  /** Seconds since the epoch, the first and the last of the day. */
  readonly begins: number;
  readonly ends: number;
  readonly xml: string;
}

export interface DmarcReportSender {
  /** Our host name. */
  readonly hostname: string;
  readonly organization: string;
  /** Who may be asked: an address, in the field that is for one. */
  readonly email: string;
  readonly contact: string | null;
}

const DAY_SECONDS = 86_400;
const NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0";
const GENERATOR = "Postern";

/** RFC 9990, appendix A. */
export function toDmarcReport(
  domain: string,
  day: string,
  counted: DmarcDay,
  sender: DmarcReportSender,
): DmarcReport {
  const id = `${day}.${domain}@${sender.hostname}`;
  const begins = Date.parse(`${day}T00:00:00Z`) / 1000;
  const ends = begins + DAY_SECONDS - 1;
  const { policy, results, leftOut } = counted;
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<feedback xmlns="${NAMESPACE}">`,
    ...[
      field("version", "1.0"),
      ...within("report_metadata", [
        field("org_name", sender.organization),
        field("email", sender.email),
        ...given("extra_contact_info", sender.contact),
        field("report_id", id),
        ...within("date_range", [field("begin", String(begins)), field("end", String(ends))]),
        ...given("error", leftOut > 0 ? leftOutText(leftOut) : null),
        field("generator", GENERATOR),
      ]),
      ...within("policy_published", [
        field("domain", domain),
        field("discovery_method", "treewalk"),
        field("p", policy.p),
        field("sp", policy.sp),
        field("np", policy.np),
        ...given("fo", policy.fo),
        field("adkim", policy.adkim),
        field("aspf", policy.aspf),
        field("testing", policy.testing ? "y" : "n"),
      ]),
      ...results.flatMap(recordOf),
    ].map(indent),
    "</feedback>",
    "",
  ];
  return { domain, day, id, begins, ends, xml: lines.join("\n") };
}

function leftOutText(messages: number): string {
  return `${messages} more messages came, in more kinds than this report has room for`;
}

function recordOf(result: CountedDmarcResult): readonly string[] {
  const { sourceIp, count, disposition, dkim, spf, reasons } = result;
  return within("record", [
    ...within("row", [
      field("source_ip", sourceIp),
      field("count", String(count)),
      ...within("policy_evaluated", [
        field("disposition", disposition),
        field("dkim", dkim),
        field("spf", spf),
        ...reasons.flatMap(reasonOf),
      ]),
    ]),
    ...within("identifiers", [
      field("header_from", result.headerFrom),
      ...given("envelope_from", result.envelopeFrom),
    ]),
    ...within("auth_results", [
      ...result.signatures.flatMap((one) =>
        authResult("dkim", one, [field("selector", one.selector)]),
      ),
      // The HELO name of a null sender stands for postmaster there (RFC 7208 2.4): one scope is left.
      ...(result.spfResult ? authResult("spf", result.spfResult, [field("scope", "mfrom")]) : []),
    ]),
  ]);
}

function reasonOf({ type, comment }: DmarcOverride): readonly string[] {
  return within("reason", [field("type", type), ...given("comment", comment)]);
}

function authResult(
  name: string,
  { domain, result, human }: DmarcAuthResult,
  more: readonly string[],
): readonly string[] {
  return within(name, [
    field("domain", domain),
    ...more,
    field("result", result),
    ...given("human_result", human),
  ]);
}

function within(name: string, lines: readonly string[]): readonly string[] {
  return [`<${name}>`, ...lines.map(indent), `</${name}>`];
}

function given(name: string, value: string | null): readonly string[] {
  return value === null ? [] : [field(name, value)];
}

function field(name: string, value: string): string {
  return `<${name}>${escaped(value)}</${name}>`;
}

function indent(line: string): string {
  return `  ${line}`;
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&apos;"],
]);

/** What XML 1.0 (section 2.2) has no place for becomes a question mark, half surrogates too. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "?")
    .replace(/[&<>"']/g, (char) => ENTITIES.get(char) ?? "");
}
