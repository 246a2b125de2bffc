import { type Clock, startDeadline } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import { type DnsMessage, type DnsQuestion, toQuery } from "./dns-message.ts";
import type { DnsServerAddress } from "./dns-server-address.ts";
import { askTcp } from "./dns-tcp.ts";
import { askUdp } from "./dns-udp.ts";

export interface ExchangeOptions {
  readonly servers: readonly DnsServerAddress[];
  /** Of one attempt, its turn to TCP included. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** The servers validate, and are believed when they say so. */
  readonly validates: boolean;
  /** Called for each query sent, over UDP or TCP. */
  readonly onSend: () => void;
}

export type ExchangeResult =
  | { readonly kind: "answer"; readonly message: DnsMessage }
  | { readonly kind: "failed"; readonly reason: string };

/** behaviour.md section 5: one query and one retry. */
const ATTEMPTS = 2;

/**
 * Asks until a server answers, at most twice, the second time another server when there is one.
 * An answer that says the server cannot is passed on only if nobody else can be asked.
 * Never throws; ends at once when the signal aborts.
 */
export async function exchange(
  question: DnsQuestion,
  options: ExchangeOptions,
  signal: AbortSignal,
): Promise<ExchangeResult> {
  let last: ExchangeResult = { kind: "failed", reason: "no server to ask" };
  for (let attempt = 0; attempt < ATTEMPTS && !signal.aborted; attempt++) {
    const server = options.servers[attempt % options.servers.length];
    if (!server) break;
    last = await askOnce(question, server, options, signal);
    if (last.kind === "answer" && (isFinal(last.message) || options.servers.length === 1)) break;
  }
  return signal.aborted ? { kind: "failed", reason: errorText(signal.reason) } : last;
}

function isFinal({ rcode }: DnsMessage): boolean {
  return rcode === "NOERROR" || rcode === "NXDOMAIN";
}

async function askOnce(
  question: DnsQuestion,
  server: DnsServerAddress,
  { clock, timeoutMs, validates, onSend }: ExchangeOptions,
  signal: AbortSignal,
): Promise<ExchangeResult> {
  const deadline = startDeadline(clock, timeoutMs, signal);
  try {
    onSend();
    const short = await askUdp(server, toQuery(question, validates), deadline.signal);
    if (!short.truncated) return { kind: "answer", message: heed(short, validates) };
    onSend();
    const message = await askTcp(server, toQuery(question, validates), deadline.signal);
    if (message.truncated) return { kind: "failed", reason: "truncated over TCP too" };
    return { kind: "answer", message: heed(message, validates) };
  } catch (error) {
    const reason = deadline.expired() ? `no answer within ${timeoutMs} ms` : toReason(error);
    return { kind: "failed", reason };
  } finally {
    deadline.clear();
  }
}

/** A verdict and a header may quote it: the system's own words would tell where our servers stand. */
function toReason(error: unknown): string {
  const code = codeOf(error) ?? (error instanceof Error ? codeOf(error.cause) : null);
  if (code === null) return errorText(error);
  const what = code === "ECONNREFUSED" ? "nothing listens there" : code;
  return `the DNS server cannot be asked: ${what}`;
}

function codeOf(error: unknown): string | null {
  const isCoded = error instanceof Error && "code" in error && typeof error.code === "string";
  return isCoded ? String(error.code) : null;
}

/** Anybody on the way can set a bit: without the operator's word for the way it means nothing. */
function heed(message: DnsMessage, validates: boolean): DnsMessage {
  return { ...message, authenticated: message.authenticated && validates };
}
