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
  const orcpt = parameters.has("ORCPT") ? parseOrcpt(parameters.get("ORCPT")) : undefined;
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

function parseOrcpt(value: string | null | undefined): string | null {
  const [, xtext] = /^[A-Za-z0-9-]+;(.+)$/.exec(value ?? "") ?? [];
  if (value == null || xtext === undefined || value.length > MAX_ORCPT) return null;
  return isXtext(xtext) ? value : null;
}
