import { parseDomainName } from "../../mail/domain-name.ts";
import { trimBlanks } from "../../mail/header-block.ts";

/** RFC 8461 3.2. */
export interface StsPolicy {
  readonly mode: "none" | "testing" | "enforce";
  /** `mail.example.org` or `*.example.org`, lower-case A-labels. */
  readonly mx: readonly string[];
  readonly maxAgeSeconds: number;
}

export type ParsedStsPolicy =
  | { readonly kind: "policy"; readonly policy: StsPolicy }
  | { readonly kind: "invalid"; readonly reason: string };

/** RFC 8461 3.3 suggests it as the bound of a policy's body. */
export const MAX_POLICY_BYTES: number = 64 * 1024;
/** RFC 8461 3.2: 31557600, about a year. A longer life is cut, not refused: it is the safer reading. */
const MAX_AGE_SECONDS = 31_557_600;
/** A domain has a handful; each is compared with every MX host. */
const MAX_MX_PATTERNS = 100;

/** Blanks around the value are cut off apart: in a pattern they take the square of their number. */
const LINE = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):(.*)$/;
const MODES: readonly string[] = ["none", "testing", "enforce"] satisfies StsPolicy["mode"][];

/** The body of `/.well-known/mta-sts.txt`. Of a field given twice the first counts, but of `mx`. */
export function parseStsPolicy(body: string): ParsedStsPolicy {
  const fields = new Map<string, string>();
  const mx: string[] = [];
  const lines = body.split(/\r?\n/);
  for (const line of lines.at(-1)?.trim() === "" ? lines.slice(0, -1) : lines) {
    const [, name, written = ""] = LINE.exec(line) ?? [];
    if (name === undefined)
      return invalid(`a line that is no field: ${JSON.stringify(line.slice(0, 80))}`);
    if (/[^\t\x20-\x7e\x80-\uffff]/.test(written)) return invalid(`a control character in ${name}`);
    const value = trimBlanks(written);
    if (name !== "mx" && !fields.has(name)) fields.set(name, value);
    if (name !== "mx") continue;
    const pattern = toPattern(value);
    if (pattern === null) return invalid(`mx: no host name: ${JSON.stringify(value.slice(0, 80))}`);
    if (mx.push(pattern) > MAX_MX_PATTERNS) return invalid(`more than ${MAX_MX_PATTERNS} mx`);
  }
  return judge(fields, mx);
}

function judge(fields: ReadonlyMap<string, string>, mx: readonly string[]): ParsedStsPolicy {
  if (fields.get("version") !== "STSv1") return invalid("no version: STSv1");
  const mode = fields.get("mode");
  if (!isMode(mode)) return invalid("mode: expected none, testing or enforce");
  const maxAge = fields.get("max_age") ?? "";
  if (!/^\d{1,10}$/.test(maxAge)) return invalid("max_age: expected seconds");
  if (mode !== "none" && mx.length === 0) return invalid("no mx");
  const maxAgeSeconds = Math.min(Number(maxAge), MAX_AGE_SECONDS);
  return { kind: "policy", policy: { mode, mx, maxAgeSeconds } };
}

function isMode(text: string | undefined): text is StsPolicy["mode"] {
  return text !== undefined && MODES.includes(text);
}

function toPattern(text: string): string | null {
  const isWildcard = text.startsWith("*.");
  const name = parseDomainName(isWildcard ? text.slice(2) : text, { utf8: false });
  if (name === null) return null;
  return isWildcard ? `*.${name}` : name;
}

/** RFC 8461 4.1: `*` stands for the leftmost label alone. `host` in lower case. */
export function isMxAllowed({ mx }: StsPolicy, host: string): boolean {
  const dot = host.indexOf(".");
  const wildcard = dot < 0 ? null : `*${host.slice(dot)}`;
  return mx.some((pattern) => pattern === host || pattern === wildcard);
}

/** The policy as lines, for reports (RFC 8460 4.4 policy-string). */
export function policyLines({ mode, mx, maxAgeSeconds }: StsPolicy): readonly string[] {
  return [
    "version: STSv1",
    `mode: ${mode}`,
    ...mx.map((pattern) => `mx: ${pattern}`),
    `max_age: ${maxAgeSeconds}`,
  ];
}

function invalid(reason: string): ParsedStsPolicy {
  return { kind: "invalid", reason };
}
