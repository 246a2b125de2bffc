import { parseForwardPath } from "../mail/address.ts";
import type { EnvelopeRecipient } from "../mail/envelope.ts";
import { isXtext, parseEsmtpArguments } from "./esmtp-arguments.ts";
import { BAD_PARAMETER, badAddress, badSyntax, unknownParameter } from "./protocol-replies.ts";
import type { Reply } from "./reply.ts";
import type { Offers } from "./session-handler.ts";

/** RFC 3461 4.2, with room for the address type. */
const MAX_ORCPT = 500;
type Notify = NonNullable<EnvelopeRecipient["notify"]>;

/** The argument of RCPT, or the reply that refuses it. */
export function parseRcptArgument(
  argument: string,
  offers: Offers,
  smtpUtf8: boolean,
): EnvelopeRecipient | Reply {
  const parsed = parseEsmtpArguments(argument, "TO");
  if (parsed === null) return badSyntax("RCPT TO:<address>");
  const { parameters } = parsed;
  for (const keyword of parameters.keys()) {
    if (offers.dsn !== true || (keyword !== "NOTIFY" && keyword !== "ORCPT")) {
      return unknownParameter(keyword);
    }
  }
  const notify = parameters.has("NOTIFY") ? parseNotify(parameters.get("NOTIFY")) : undefined;
  const orcpt = parameters.has("ORCPT") ? parseOrcpt(parameters.get("ORCPT"), smtpUtf8) : undefined;
  if (notify === null || orcpt === null) return BAD_PARAMETER;
  const path = parseForwardPath(parsed.path, { smtpUtf8 });
  if (path.kind === "refused") return badAddress("recipient", path.fault);
  return { address: path.address, ...(notify && { notify }), ...(orcpt && { orcpt }) };
}

/** RFC 3461 4.1: NEVER alone, or a list of the others. */
function parseNotify(value: string | null | undefined): Notify | null {
  const words = (value ?? "").toUpperCase().split(",");
  if (words.length === 1 && words[0] === "NEVER") return ["NEVER"];
  const isKnown = (word: string) => word === "SUCCESS" || word === "FAILURE" || word === "DELAY";
  return words.every(isKnown) && new Set(words).size === words.length ? words : null;
}

/** In seven bits, whatever it was: so it may be said to every server and stand in every bounce. */
function parseOrcpt(value: string | null | undefined, smtpUtf8: boolean): string | null {
  const [, type = "", text = ""] = /^([A-Za-z0-9-]+);(.+)$/.exec(value ?? "") ?? [];
  const mayBeUtf8 = smtpUtf8 && type.toLowerCase() === "utf-8";
  const xtext = mayBeUtf8 ? toEmbedded(text) : text;
  const orcpt = `${type};${xtext}`;
  return isXtext(xtext) && orcpt.length <= MAX_ORCPT ? orcpt : null;
}

/** RFC 6533 3: `ü` is `\x{FC}`. */
function toEmbedded(text: string): string {
  return text.replace(/[^\x00-\x7f]/gu, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return `\\x{${code.toString(16).toUpperCase()}}`;
  });
}
