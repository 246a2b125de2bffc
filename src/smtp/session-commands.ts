import { auth, authCapability } from "./auth-command.ts";
import type { CommandContext } from "./command-context.ts";
import type { CommandLine } from "./command-line.ts";
import { isHeloName } from "./helo-name.ts";
import { unmetLogon } from "./logon-demand.ts";
import { parseMailArgument } from "./mail-argument.ts";
import {
  badSyntax,
  CANNOT_VERIFY,
  closing,
  HELP,
  NO_RECIPIENTS,
  NOT_IMPLEMENTED,
  OK,
  outOfOrder,
  TOO_EARLY,
  TOO_MANY_RECIPIENTS,
} from "./protocol-replies.ts";
import { parseRcptArgument } from "./rcpt-argument.ts";
import { relayPermission } from "./relay-permission.ts";
import { isPositive, type Reply } from "./reply.ts";
import type { HeloFacts, Offers } from "./session-handler.ts";
import { dropTransaction, type OpenTransaction } from "./session-state.ts";
import { unmetDemand } from "./tls-demands.ts";

/** A reply, or null when the command has said what there is to say. */
export type Answer = Promise<Reply | null> | Reply | null;
type Run = (context: CommandContext, argument: string) => Answer;

interface Command {
  readonly run: Run;
  /** It moves no mail: only so many of them (behaviour.md 5). */
  readonly idle?: true;
  /** Form without argument; any argument is refused. */
  readonly bare?: true;
}

const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ["EHLO", { run: (context, name) => greet(context, "EHLO", name), idle: true }],
  ["HELO", { run: (context, name) => greet(context, "HELO", name), idle: true }],
  ["MAIL", { run: mail }],
  ["RCPT", { run: rcpt }],
  ["DATA", { run: data, bare: true }],
  ["RSET", { run: reset, idle: true, bare: true }],
  ["NOOP", { run: () => OK, idle: true }],
  ["QUIT", { run: quit, bare: true }],
  ["STARTTLS", { run: startTls, idle: true, bare: true }],
  ["VRFY", { run: verify, idle: true }],
  ["HELP", { run: () => HELP, idle: true }],
  ["EXPN", { run: () => NOT_IMPLEMENTED, idle: true }],
  ["AUTH", { run: auth, idle: true }],
  ["ETRN", { run: () => NOT_IMPLEMENTED, idle: true }],
  ["TURN", { run: () => NOT_IMPLEMENTED, idle: true }],
  // Its octets follow at once and would be taken for commands.
  ["BDAT", { run: () => ({ ...NOT_IMPLEMENTED, close: true }) }],
]);

export function isKnownCommand(verb: string): boolean {
  return COMMANDS.has(verb);
}

/** Runs a command that `isKnownCommand` knows. */
export function runCommand(context: CommandContext, line: CommandLine): Answer {
  const command = COMMANDS.get(line.verb);
  if (command === undefined) return NOT_IMPLEMENTED;
  const over = command.idle ? context.budget.idleCommand() : null;
  if (over !== null) return closing(context.hostname, over);
  if (command.bare && line.argument !== "") return badSyntax(line.verb);
  return command.run(context, line.argument);
}

async function greet(
  context: CommandContext,
  verb: HeloFacts["verb"],
  name: string,
): Promise<Reply | null> {
  const { state, hostname } = context;
  if (!isHeloName(name)) return badSyntax(`${verb} hostname`);
  dropTransaction(state, verb);
  state.helo = null;
  const helo: HeloFacts = { verb, name, tls: state.tls };
  const refusal = await state.handler.helo(helo, context.signal);
  if (refusal !== null) return refusal;
  state.helo = helo;
  const offers = state.handler.offers();
  const maxBytes = Math.min(offers.maxBytes, context.maxBytes);
  const logon = authCapability(context);
  state.offers = { ...offers, maxBytes, ...(logon.length > 0 && { auth: true }) };
  if (verb === "HELO") return { code: 250, status: null, text: hostname };
  const offered = capabilities(state.offers, state.tls !== null);
  context.sayLines(250, [hostname, ...offered, ...logon]);
  return null;
}

function capabilities(offers: Offers, secure: boolean): readonly string[] {
  return [
    "PIPELINING",
    `SIZE ${offers.maxBytes}`,
    ...(offers.eightBitMime ? ["8BITMIME"] : []),
    ...(offers.smtpUtf8 ? ["SMTPUTF8"] : []),
    ...(offers.dsn ? ["DSN"] : []),
    "ENHANCEDSTATUSCODES",
    ...(secure ? [] : ["STARTTLS"]),
  ];
}

async function mail(context: CommandContext, argument: string): Promise<Reply> {
  const { state } = context;
  if (state.helo === null) return outOfOrder("Send HELO or EHLO first");
  if (state.transaction !== null) return outOfOrder("A transaction is open already");
  const { client, rules } = context;
  const permission = relayPermission(client, state.tls, state.user);
  const unmet =
    unmetDemand(rules.demands, state.tls) ?? unmetLogon(rules.logon, permission, state.tls);
  if (unmet !== null) return unmet;
  const parsed = parseMailArgument(argument, state.offers);
  if ("code" in parsed) return parsed;
  const over = context.budget.transaction();
  if (over !== null) return closing(context.hostname, over);
  const { sender, parameters } = parsed;
  const handler = await state.handler.mail(sender, parameters, context.signal);
  if ("code" in handler) return handler;
  const { smtputf8: smtpUtf8, size: declaredBytes } = parameters;
  state.transaction = { handler, smtpUtf8, declaredBytes, accepted: 0, attempts: 0 };
  return handler.accepted;
}

async function rcpt(context: CommandContext, argument: string): Promise<Reply> {
  const { transaction, offers } = context.state;
  if (transaction === null) return outOfOrder("Send MAIL first");
  const recipient = parseRcptArgument(argument, offers, transaction.smtpUtf8);
  if ("code" in recipient) return recipient;
  transaction.attempts += 1;
  if (!context.budget.mayAddRecipient(transaction)) return tooManyRecipients(context, transaction);
  const reply = await transaction.handler.rcpt(recipient, context.signal);
  if (isPositive(reply)) transaction.accepted += 1;
  return reply;
}

function tooManyRecipients(context: CommandContext, transaction: OpenTransaction): Reply {
  const over = context.budget.isOvershoot(transaction) ? context.budget.error() : null;
  return over === null ? TOO_MANY_RECIPIENTS : closing(context.hostname, over);
}

async function data(context: CommandContext): Promise<Reply | null> {
  const { state } = context;
  const { transaction } = state;
  if (transaction === null) return outOfOrder("Send MAIL first");
  // Whoever does not wait for 354 lets us read a message as commands, or commands as a message
  // (threats.md P3).
  if (context.unread() > 0) return TOO_EARLY;
  if (transaction.accepted === 0) return NO_RECIPIENTS;
  const sink = await transaction.handler.data(context.signal);
  if ("code" in sink) {
    dropTransaction(state, "DATA refused");
    return sink;
  }
  state.transaction = null;
  context.startData(transaction, sink);
  return null;
}

function reset(context: CommandContext): Reply {
  dropTransaction(context.state, "RSET");
  return OK;
}

function verify(_context: CommandContext, user: string): Reply {
  return user === "" ? badSyntax("VRFY user") : CANNOT_VERIFY;
}

function quit(context: CommandContext): Reply {
  return { code: 221, status: "0.0", text: `${context.hostname} closing connection`, close: true };
}

function startTls(context: CommandContext): Reply | null {
  const { state } = context;
  if (state.tls !== null) return outOfOrder("TLS is active already");
  dropTransaction(state, "STARTTLS");
  state.helo = null;
  context.startTls();
  return null;
}
