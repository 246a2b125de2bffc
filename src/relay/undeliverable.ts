import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { decodeHeaderText } from "../mail/encoded-words.ts";
import { returnAddress } from "../mail/envelope.ts";
import { parseHeaderBlock } from "../mail/header-block.ts";
import type { MessageSource } from "../mail/message.ts";
import type { FactBus } from "../pipeline/facts.ts";
import type { Routing } from "../policy/snapshot.ts";
import type { Quarantine } from "../quarantine/quarantine.ts";
import { formatRemoteReply } from "../smtp/client-reply.ts";
import type { Spool } from "../spool/spool.ts";
import { type Failure, toBounce } from "./bounce.ts";
import { readHeaders } from "./read-headers.ts";
import type { Leg } from "./relay.ts";

export interface UndeliverableDeps {
  readonly routing: () => Routing;
  readonly spool: Pick<Spool, "add">;
  readonly quarantine: Pick<Quarantine, "hold">;
  readonly facts: FactBus;
  readonly clock: Clock;
  readonly log: Log;
  readonly hostname: string;
  readonly keepDays: () => number;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * A promised message that cannot be delivered to these recipients: a bounce to the sender where one
 * may and can be sent, else the quarantine. Never throws. Resolves with those for whom neither
 * could be made durable: they are still owed the message.
 */
export async function settleUndeliverable(
  deps: UndeliverableDeps,
  leg: Leg,
  source: MessageSource,
  failures: readonly Failure[],
  hub: string | null,
): Promise<readonly Failure[]> {
  const bounced = failures.filter(({ recipient }) => mayBounce(deps, leg, recipient.notify));
  const held = failures.filter((failure) => !bounced.includes(failure));
  const owedAfter = async (group: readonly Failure[], work: () => Promise<void>) => {
    if (group.length === 0) return [];
    try {
      await work();
      return [];
    } catch (error) {
      const { transactionId: id } = leg;
      deps.log.error("undeliverable-not-kept", { id, reason: errorText(error) });
      return group;
    }
  };
  return [
    ...(await owedAfter(held, () => hold(deps, leg, source, held))),
    ...(await owedAfter(bounced, () => bounce(deps, leg, source, bounced, hub))),
  ];
}

/**
 * Only to a sender that proved to be one (threats.md P9), never for a bounce, never when the sender
 * said so (RFC 3461 4.1), and only where a connector leads.
 */
function mayBounce(
  { routing }: UndeliverableDeps,
  { senderAuthenticated, envelope }: Leg,
  notify: readonly string[] | undefined,
): boolean {
  const sender = returnAddress(envelope);
  if (!senderAuthenticated || sender === null || sender.domain === "") return false;
  if (notify && !notify.includes("FAILURE")) return false;
  return routing().route(sender.domain) !== null;
}

async function bounce(
  deps: UndeliverableDeps,
  leg: Leg,
  source: MessageSource,
  failures: readonly Failure[],
  hub: string | null,
): Promise<void> {
  const sender = returnAddress(leg.envelope);
  if (sender === null) return;
  const now = deps.clock.now();
  const headers = (await readHeaders(source)).toString("latin1");
  const facts = { hostname: deps.hostname, hub, now, headers };
  const made = toBounce(leg, failures, facts);
  const { smtpUtf8, eightBitMime } = made.needs;
  await deps.spool.add(
    {
      transactionId: leg.transactionId,
      envelope: {
        sender: null,
        recipients: [{ address: sender }],
        mail: { body: eightBitMime ? "8bitmime" : "7bit", smtputf8: smtpUtf8 },
      },
      senderAuthenticated: false,
      needs: made.needs,
      receivedAt: now,
      dueAt: now,
      reason: "a bounce",
    },
    made.source,
  );
  deps.facts.emit({
    kind: "bounced",
    at: now,
    id: leg.transactionId,
    recipients: failures.map(({ recipient }) => recipient.address.spoken),
    hub,
    reply: describe(failures),
    bounceTo: sender.spoken,
  });
}

async function hold(
  deps: UndeliverableDeps,
  leg: Leg,
  source: MessageSource,
  failures: readonly Failure[],
): Promise<void> {
  const { transactionId: id, envelope, senderAuthenticated, needs } = leg;
  const now = deps.clock.now();
  const headers = parseHeaderBlock(await readHeaders(source));
  const inWords = (name: string) => {
    const value = headers.first(name);
    return value === null ? null : decodeHeaderText(value);
  };
  const held = await deps.quarantine.hold(
    {
      transactionId: id,
      cause: "undeliverable",
      detail: describe(failures),
      envelope: { ...envelope, recipients: failures.map(({ recipient }) => recipient) },
      senderAuthenticated,
      needs,
      // The client's address and the score are in the transaction's record.
      clientIp: "",
      subject: inWords("subject"),
      from: inWords("from"),
      score: 0,
      heldAt: now,
      expiresAt: now + deps.keepDays() * DAY_MS,
    },
    source,
  );
  const recipients = failures.map(({ recipient }) => recipient.address.spoken);
  const { id: holdId, cause } = held;
  deps.facts.emit({ kind: "held", at: now, id, holdId, cause, recipients });
}

function describe(failures: readonly Failure[]): string {
  const words = failures.map(
    ({ recipient, reply }) => `${recipient.address.spoken}: ${formatRemoteReply(reply)}`,
  );
  return words.join("; ");
}
