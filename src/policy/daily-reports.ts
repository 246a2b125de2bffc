import { z } from "zod";
import type { Json } from "../base/json.ts";
import { type Address, parseMailbox } from "../mail/address.ts";
import { parsedText } from "./parsed-text.ts";
import type { ReportPolicy } from "./snapshot.ts";
import type { Source } from "./source.ts";

/** Text that stands in every report. */
const MAX_CHARS = 200;
const words = z
  .string()
  .min(1)
  .max(MAX_CHARS)
  .regex(/^[^\x00-\x1f\x7f]+$/, "expected text without control characters");

/** `tlsReports` and `dmarcReports` of routing.yaml. */
type WrittenReports = z.infer<ReturnType<typeof reportsSchema>>;

export function reportsSchema(example: string) {
  return z.strictObject({
    enabled: z.boolean().default(false),
    from: parsedText(parseSender, `an address such as ${example}`).optional(),
    contact: words.optional(),
    organization: words.optional(),
  });
}

/** Undefined when there is nobody to send them, which is a mistake only where they are enabled. */
export function compileReports(
  key: "tlsReports" | "dmarcReports",
  written: WrittenReports | undefined,
  source: Source,
): ReportPolicy | undefined {
  if (!written) return undefined;
  const { enabled, from, contact, organization } = written;
  if (from) {
    const named = contact ?? from.spoken;
    return { enabled, from, contact: named, organization: organization ?? null };
  }
  if (enabled) source.complain([key], "expected from: the address that sends the reports", "key");
  return undefined;
}

export function showReports(reports: ReportPolicy | undefined): Json {
  if (!reports) return { enabled: false };
  const { enabled, from, contact, organization } = reports;
  return { enabled, from: from.spoken, contact, ...(organization !== null && { organization }) };
}

/** Plain ASCII: a report is read by programs of all ages. */
function parseSender(text: string): Address | null {
  const address = parseMailbox(text);
  if (!address?.domain.includes(".") || address.domain.startsWith("[")) return null;
  return /^[\x21-\x7e]+$/.test(address.spoken) ? address : null;
}
