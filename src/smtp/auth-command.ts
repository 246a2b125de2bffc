import type { CommandContext } from "./command-context.ts";
import type { LineStep } from "./line-reader.ts";
import {
  BAD_BASE64,
  BAD_RESPONSE,
  badSyntax,
  CANCELLED,
  closing,
  EXCHANGE_TOO_LONG,
  LOGGED_ON,
  LOGON_FAILED,
  LOGON_UNAVAILABLE,
  NOT_IMPLEMENTED,
  NOT_SMTP,
  outOfOrder,
  TLS_BEFORE_LOGON,
  UNKNOWN_MECHANISM,
} from "./protocol-replies.ts";
import type { Reply } from "./reply.ts";
import { beginSasl, SASL_MECHANISMS, type SaslFault, type SaslStep } from "./sasl-exchange.ts";

/** RFC 4954 4: a client may answer a challenge in so many octets, and its line break. */
export const MAX_RESPONSE_OCTETS = 12_288 + 2;

/** Guessing takes time (field notes e.5). A delay keeps one place of the client's and no more. */
const TARPIT_MS = 5000;

/** What EHLO offers; passwords never travel in the clear. */
export function authCapability({ authenticator, state }: CommandContext): readonly string[] {
  if (authenticator === null || state.tls === null) return [];
  return [`AUTH ${SASL_MECHANISMS.join(" ")}`];
}

/** AUTH mechanism [initial-response] (RFC 4954 4). */
export function auth(context: CommandContext, argument: string): Promise<Reply> | Reply {
  const { authenticator, state } = context;
  if (authenticator === null) return NOT_IMPLEMENTED;
  if (state.helo?.verb !== "EHLO") return outOfOrder("Send EHLO first");
  if (state.tls === null) return TLS_BEFORE_LOGON;
  if (state.user !== null) return outOfOrder("You are logged on already");
  if (state.transaction !== null) return outOfOrder("Not in a transaction");
  const [mechanism = "", initial = null, ...more] = argument.split(/ +/);
  if (mechanism === "" || more.length > 0) return badSyntax("AUTH mechanism [response]");
  const step = beginSasl(mechanism, initial);
  return step === null ? UNKNOWN_MECHANISM : advance(context, step);
}

/** A line of the client while an exchange is under way: no command, whatever it looks like. */
export function continueAuth(
  context: CommandContext,
  { answer }: SaslStep & { readonly kind: "challenge" },
  line: Exclude<LineStep, { readonly kind: "partial" }>,
): Promise<Reply> | Reply {
  context.state.exchange = null;
  if (line.kind === "not-smtp") return NOT_SMTP;
  if (line.kind === "too-long") return EXCHANGE_TOO_LONG;
  return advance(context, answer(line.line.toString("latin1")));
}

function advance(context: CommandContext, step: SaslStep): Promise<Reply> | Reply {
  switch (step.kind) {
    case "challenge":
      context.state.exchange = step;
      return { code: 334, status: null, text: step.text };
    case "fault":
      return step.fault === "on-behalf" ? failed(context) : FAULTS[step.fault];
    case "credentials":
      return logOn(context, step);
  }
}

const FAULTS: { readonly [F in Exclude<SaslFault, "on-behalf">]: Reply } = {
  cancelled: CANCELLED,
  "not-base64": BAD_BASE64,
  malformed: BAD_RESPONSE,
};

async function logOn(
  context: CommandContext,
  { name, password }: SaslStep & { readonly kind: "credentials" },
): Promise<Reply> {
  const { authenticator, client, signal, state } = context;
  const outcome = await authenticator?.logOn({ client, name, password }, signal);
  switch (outcome?.kind) {
    case "accepted":
      state.user = outcome.user;
      state.handler.loggedOn?.(outcome.user);
      return LOGGED_ON;
    case "refused":
      return failed(context);
    case "blocked":
      return closing(context.hostname, "too-many-logon-failures");
    case "unavailable":
    case undefined:
      return LOGON_UNAVAILABLE;
  }
}

async function failed(context: CommandContext): Promise<Reply> {
  const over = context.budget.logonFailure();
  await context.delay(TARPIT_MS);
  return over === null ? LOGON_FAILED : closing(context.hostname, over);
}
