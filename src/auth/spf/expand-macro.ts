import { MAX_NAME_LENGTH } from "../../net/dns-name.ts";
import { type IpAddress, toLabels } from "../../net/ip.ts";
import type { MacroString, MacroToken } from "./macro-string.ts";
import type { SpfFault, SpfRun, SpfSubject } from "./spf-run.ts";
import type { TraceTerm } from "./spf-trace.ts";
import { validatedName } from "./validated-names.ts";

/** Where a macro-string stands. */
export interface MacroPlace {
  readonly run: SpfRun;
  readonly term: TraceTerm;
  /** The current <domain>, for %{d}. */
  readonly domain: string;
  /** Whether %{p} counts as a term that asks DNS (RFC 7208 4.6.4); not in an explanation. */
  readonly counted: boolean;
}

/** More of a domain name than can remain after RFC 7208 7.3 has cut it from the left. */
const KEPT_OF_NAME = 2 * MAX_NAME_LENGTH;

/** The target name. A longer one than DNS can ask loses labels on the left (RFC 7208 7.3). */
export async function expandDomain(
  macros: MacroString,
  place: MacroPlace,
): Promise<string | SpfFault> {
  const validated = await findValidatedName(macros, place);
  if (typeof validated === "object") return validated;
  let name = "";
  for (const token of macros)
    name = (name + expandToken(token, place, validated)).slice(-KEPT_OF_NAME);
  return fitName(name.endsWith(".") ? name.slice(0, -1) : name);
}

/** Text for people, at most `maxLength` characters of it. */
export async function expandText(
  macros: MacroString,
  place: MacroPlace,
  maxLength: number,
): Promise<string | SpfFault> {
  const validated = await findValidatedName(macros, place);
  if (typeof validated === "object") return validated;
  let text = "";
  for (const token of macros) {
    text += expandToken(token, place, validated);
    if (text.length >= maxLength) break;
  }
  return text.slice(0, maxLength);
}

/** What %{p} stands for; empty when nobody asks. */
async function findValidatedName(
  macros: MacroString,
  { run, term, domain, counted }: MacroPlace,
): Promise<string | SpfFault> {
  const isUsed = macros.some((token) => token.kind === "macro" && token.letter === "p");
  if (!isUsed) return "";
  const tooMany = counted ? run.countTerm() : null;
  return tooMany ?? validatedName(run, term, domain);
}

function fitName(name: string): string {
  if (name.length <= MAX_NAME_LENGTH) return name;
  const dot = name.indexOf(".", name.length - MAX_NAME_LENGTH - 1);
  return dot < 0 ? name : name.slice(dot + 1);
}

function expandToken(token: MacroToken, { run, domain }: MacroPlace, validated: string): string {
  if (token.kind === "text") return token.text;
  const { letter, delimiters, reverse, parts } = token;
  const value =
    letter === "d" ? domain : letter === "p" ? validated : subjectValue(letter, run.subject);
  const pieces = splitAt(value, delimiters);
  if (reverse) pieces.reverse();
  const text = (parts === 0 ? pieces : pieces.slice(-parts)).join(".");
  return token.escape ? escapeForUrl(text) : text;
}

type SubjectLetter = "s" | "l" | "o" | "i" | "v" | "h" | "c" | "r" | "t";

function subjectValue(letter: SubjectLetter, subject: SpfSubject): string {
  const { ip, localPart, senderDomain } = subject;
  switch (letter) {
    case "s":
      return `${localPart}@${senderDomain}`;
    case "l":
      return localPart;
    case "o":
      return senderDomain;
    case "i":
      return dotted(ip);
    case "v":
      return ip.family === 4 ? "in-addr" : "ip6";
    case "h":
      return subject.helo;
    case "c":
      return ip.text;
    case "r":
      return subject.receiver;
    case "t":
      return String(subject.timestamp);
  }
}

/** Nibbles in upper case, as the published test suite has them; DNS does not mind. */
function dotted(ip: IpAddress): string {
  return toLabels(ip).join(".").toUpperCase();
}

function splitAt(text: string, delimiters: string): string[] {
  const pieces: string[] = [];
  let piece = "";
  for (const char of text) {
    if (delimiters.includes(char)) {
      pieces.push(piece);
      piece = "";
    } else piece += char;
  }
  return [...pieces, piece];
}

/** RFC 7208 7.3: every octet but the unreserved ones of RFC 3986 2.3. */
function escapeForUrl(text: string): string {
  let escaped = "";
  for (const octet of Buffer.from(text)) {
    const char = String.fromCharCode(octet);
    escaped += /[A-Za-z0-9._~-]/.test(char)
      ? char
      : `%${octet.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return escaped;
}
