import { errorText } from "../../base/errors.ts";
import { decodeHeaderText } from "../../mail/encoded-words.ts";
import { parseHeaderBlock } from "../../mail/header-block.ts";
import type { MessageSource } from "../../mail/message.ts";
import type { Quarantine } from "../../quarantine/quarantine.ts";
import { readHeaders } from "../read-headers.ts";
import type { Leg } from "../relay.ts";
import { reasonForSilence } from "./bounce-rules.ts";
import type { NotifyDeps } from "./notify-sender.ts";
import { sendBounce } from "./send-bounce.ts";
import { describeTold, hubOf, type Told } from "./told.ts";

export interface UndeliverableDeps extends NotifyDeps {
  readonly quarantine: Pick<Quarantine, "hold">;
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
  failures: readonly Told[],
): Promise<readonly Told[]> {
  if (failures.length === 0) return [];
  if (leg.bounce === "delayed" || leg.bounce === "relayed") return drop(deps, leg, failures);
  const silences = failures.map((failure) => {
    const { notify } = failure.recipient;
    return { failure, why: reasonForSilence("failed", leg, notify, deps.routing()) };
  });
  const bounced = silences.flatMap(({ failure, why }) => (why === null ? [failure] : []));
  const held = failures.filter((failure) => !bounced.includes(failure));
  const reasons = new Set(silences.flatMap(({ why }) => why ?? []));
  const owedAfter = async (group: readonly Told[], work: () => Promise<void>) => {
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
    ...(await owedAfter(held, () => hold(deps, leg, source, held, [...reasons]))),
    ...(await owedAfter(bounced, () => sendBounce(deps, "failed", leg, source, bounced))),
  ];
}

/**
 * Nothing is lost with a notice of ours: the message it tells of is delivered, or waits and has a fate
 * of its own to come. Only a bounce about a failure is the last trace of a message, and is held.
 */
function drop({ facts, clock }: UndeliverableDeps, leg: Leg, failures: readonly Told[]): [] {
  facts.emit({
    kind: "bounce-dropped",
    at: clock.now(),
    id: leg.transactionId,
    recipients: failures.map(({ recipient }) => recipient.address.spoken),
    hub: hubOf(failures),
    reply: describeTold(failures),
  });
  return [];
}

async function hold(
  deps: UndeliverableDeps,
  leg: Leg,
  source: MessageSource,
  failures: readonly Told[],
  reasons: readonly string[],
): Promise<void> {
  const { transactionId: id, envelope, senderAuthenticated, needs, fieldOrigins } = leg;
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
      detail: `${describeTold(failures)}; not bounced: ${reasons.join(", ")}`,
      envelope: { ...envelope, recipients: failures.map(({ recipient }) => recipient) },
      senderAuthenticated,
      needs,
      ...(fieldOrigins && { fieldOrigins }),
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
