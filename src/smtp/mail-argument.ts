import { type Address, parseReversePath } from "../mail/address.ts";
import type { MailParameters } from "../mail/envelope.ts";
import { isXtext, parseEsmtpArguments } from "./esmtp-arguments.ts";
import {
  BAD_PARAMETER,
  badAddress,
  badSyntax,
  TOO_LARGE,
  unknownParameter,
} from "./protocol-replies.ts";
import type { Reply } from "./reply.ts";
import type { Offers } from "./session-handler.ts";

export interface MailArgument {
  readonly sender: Address | null;
  readonly parameters: MailParameters;
}

type Draft = { -readonly [Key in keyof MailParameters]: MailParameters[Key] };
/** False when the value is not one that the parameter may have. */
type Setter = (draft: Draft, value: string | null) => boolean;

/** RFC 3461 4.4. */
const MAX_ENVID = 100;

/** RFC 4954 3: MAIL may be so much longer because of it. */
const MAX_AUTH = 500;

const SETTERS: ReadonlyMap<string, Setter> = new Map<string, Setter>([
  ["SIZE", setSize],
  ["BODY", setBody],
  ["SMTPUTF8", setSmtpUtf8],
  ["RET", setRet],
  ["ENVID", setEnvid],
  ["AUTH", setAuth],
]);

/** The argument of MAIL, or the reply that refuses it. Only what EHLO offered is understood. */
export function parseMailArgument(argument: string, offers: Offers): MailArgument | Reply {
  const parsed = parseEsmtpArguments(argument, "FROM");
  if (parsed === null) return badSyntax("MAIL FROM:<address>");
  const parameters: Draft = { body: "7bit", smtputf8: false };
  for (const [keyword, value] of parsed.parameters) {
    const set = isOffered(keyword, offers) ? SETTERS.get(keyword) : undefined;
    if (set === undefined) return unknownParameter(keyword);
    if (!set(parameters, value)) return BAD_PARAMETER;
  }
  const path = parseReversePath(parsed.path, { smtpUtf8: parameters.smtputf8 });
  if (path.kind === "refused") return badAddress("sender", path.fault);
  if ((parameters.size ?? 0) > offers.maxBytes) return TOO_LARGE;
  return { sender: path.kind === "null" ? null : path.address, parameters };
}

function isOffered(keyword: string, offers: Offers): boolean {
  if (keyword === "BODY") return offers.eightBitMime;
  if (keyword === "SMTPUTF8") return offers.smtpUtf8;
  if (keyword === "RET" || keyword === "ENVID") return offers.dsn === true;
  if (keyword === "AUTH") return offers.auth === true;
  return true;
}

/**
 * RFC 4954 5: who the submitter was, in the word of the client. It is understood and not believed:
 * nothing is made of it, and nothing of it is handed on, as for AUTH=<>.
 */
function setAuth(_draft: Draft, value: string | null): boolean {
  return value !== null && value.length <= MAX_AUTH && isXtext(value);
}

/** RFC 1870 3: up to 20 digits. Beyond what a number holds exactly it is too large anyway. */
function setSize(draft: Draft, value: string | null): boolean {
  if (value === null || !/^[0-9]{1,20}$/.test(value)) return false;
  draft.size = Number(value);
  return true;
}

/** RFC 6152. */
function setBody(draft: Draft, value: string | null): boolean {
  const body = value?.toLowerCase();
  if (body !== "7bit" && body !== "8bitmime") return false;
  draft.body = body;
  return true;
}

/** RFC 6531 3.4: no value. */
function setSmtpUtf8(draft: Draft, value: string | null): boolean {
  draft.smtputf8 = true;
  return value === null;
}

function setRet(draft: Draft, value: string | null): boolean {
  const ret = value?.toUpperCase();
  if (ret !== "FULL" && ret !== "HDRS") return false;
  draft.ret = ret;
  return true;
}

function setEnvid(draft: Draft, value: string | null): boolean {
  if (value === null || value.length > MAX_ENVID || !isXtext(value)) return false;
  draft.envid = value;
  return true;
}
