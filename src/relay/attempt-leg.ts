import { type Clock, startDeadline } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Envelope } from "../mail/envelope.ts";
import type { MessageSource } from "../mail/message.ts";
import type { Routing } from "../policy/snapshot.ts";
import type { RecipientFate, RemoteReply, SendOutcome } from "../smtp/smtp-client.ts";
import { despiteTlsPolicies, destinationOf } from "./hubs/destination.ts";
import { type Borrowed, type Hop, type Hubs, toUnsent } from "./hubs/hubs.ts";
import { toLocalRefusal } from "./local-refusal.ts";
import type { AttemptResult, Leg } from "./relay.ts";

export interface AttemptDeps {
  readonly hubs: Hubs;
  readonly clock: Clock;
  readonly routing: () => Routing;
}

/**
 * One leg to one server of its destination, within `waitMs`. Never throws. When the time is over before the final
 * dot, the connection is closed and nothing was handed over; after the dot the attempt goes on by
 * itself and the caller gets it as `pending`.
 */
export async function attemptLeg(
  deps: AttemptDeps,
  leg: Leg,
  source: MessageSource,
  waitMs: number,
  signal?: AbortSignal,
): Promise<AttemptResult> {
  const domain = leg.envelope.recipients[0]?.address.domain ?? "";
  const deadline = startDeadline(deps.clock, waitMs, signal);
  try {
    const destination = destinationOf(deps.routing(), domain);
    if (!destination) return toUnsent(null, `no route for ${domain}`);
    const goal = leg.ignoresTlsPolicies ? despiteTlsPolicies(destination) : destination;
    const result = await deps.hubs.over(goal, deadline.signal, (borrowed) =>
      sendOver(borrowed, leg, source, deadline.signal),
    );
    if (result.kind !== "unroutable") return result;
    return { kind: "answered", hub: null, fates: allRefused(leg, result.reply) };
  } catch (error) {
    return toUnsent(null, errorText(error));
  } finally {
    deadline.clear();
  }
}

function allRefused(leg: Leg, reply: RemoteReply): readonly RecipientFate[] {
  return leg.envelope.recipients.map(() => ({ kind: "refused", reply }));
}

async function sendOver(
  { hub, hop, connection, release }: Borrowed,
  leg: Leg,
  source: MessageSource,
  signal: AbortSignal,
): Promise<AttemptResult> {
  const refusal = toLocalRefusal(leg.needs, source.size, connection.capabilities);
  if (refusal) {
    release();
    return { kind: "answered", hub, hop, fates: allRefused(leg, refusal) };
  }
  let isDotSent = false;
  const onDot = () => {
    isDotSent = true;
  };
  const send = async () => {
    try {
      const outcome = await connection.send(toSpokenEnvelope(leg), source, onDot);
      const { dsn } = connection.capabilities;
      return outcome.kind === "answered" ? { ...outcome, dsn } : outcome;
    } finally {
      release();
    }
  };
  const settled = send();
  const outcome = await beforeAbort(settled, signal);
  if (outcome) return toResult(hub, hop, outcome);
  if (isDotSent) return { kind: "pending", hub, hop, settled };
  connection.close();
  return toResult(hub, hop, await settled);
}

function toResult(hub: string, hop: Hop, outcome: SendOutcome): AttemptResult {
  if (outcome.kind === "answered") return { ...outcome, hub, hop };
  if (outcome.kind === "unsent") return { ...outcome, hub };
  return { kind: "pending", hub, hop, settled: Promise.resolve(outcome) };
}

/** What the message needs is said, whatever the client declared: BODY=7BIT may have been a lie. */
function toSpokenEnvelope({ envelope, needs }: Leg): Envelope {
  const { body, smtputf8 } = envelope.mail;
  const mail = {
    ...envelope.mail,
    body: needs.eightBitMime ? "8bitmime" : body,
    smtputf8: needs.smtpUtf8 || smtputf8,
  } as const;
  return { ...envelope, mail };
}

/** Null when the signal aborts first. */
function beforeAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const abort = () => resolve(null);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
