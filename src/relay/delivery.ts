import { Unavailable } from "../base/errors.ts";
import type { Envelope, EnvelopeRecipient } from "../mail/envelope.ts";
import type { MessageSource } from "../mail/message.ts";
import { formatRemoteReply } from "../smtp/client-reply.ts";
import type { RecipientFate, SendOutcome } from "../smtp/smtp-client.ts";
import type { SpoolLease } from "../spool/spool.ts";
import { type AttemptDeps, attemptLeg } from "./attempt-leg.ts";
import { notifyRelayed } from "./bounces/notify-sender.ts";
import type { Told } from "./bounces/told.ts";
import { settleUndeliverable } from "./bounces/undeliverable.ts";
import type { Reach } from "./destination-gate.ts";
import { type FinishDeps, finishEntry, type Outcome } from "./finish-entry.ts";
import type { Hop } from "./hubs/hubs.ts";
import type { AttemptResult, Leg, Relay } from "./relay.ts";

export interface DeliveryDeps extends AttemptDeps, FinishDeps {
  /** Recipients that can share an attempt. */
  readonly group: (recipients: Envelope["recipients"]) => readonly Envelope["recipients"][];
}

export interface Delivery extends Pick<Relay, "attempt" | "adopt" | "settleAnswered"> {
  /** One round for an entry; ends its lease. Never rejects. */
  deliverEntry(lease: SpoolLease, signal: AbortSignal): Promise<Reach>;
  /** Resolves when the last adopted attempt is over. */
  stop(): Promise<void>;
}

/**
 * Nobody waits for a retry, so it may take what RFC 5321 grants: this only ends what trickles on
 * for ever, and above the dot it has no force.
 */
const RETRY_ATTEMPT_MS = 60 * 60_000;

export function createDelivery(deps: DeliveryDeps): Delivery {
  const stopping = new AbortController();
  const adopted = new Set<Promise<void>>();

  const attempt: Relay["attempt"] = async (leg, source, waitMs, signal) => {
    const result = await attemptLeg(deps, leg, source, waitMs, signal);
    if (result.kind === "answered") tellFates(deps, leg, result);
    if (result.kind === "pending") {
      const isOver = await Promise.race([result.settled, null]);
      if (!isOver) tellWaiting(deps, leg, result);
      void tellWhenSettled(deps, leg, result);
    }
    return result;
  };
  return {
    attempt,
    adopt(lease, settled, hub) {
      const { recipients } = lease.item.envelope;
      const work = settled.then((outcome) =>
        finishEntry(deps, lease, toOutcomes(recipients, { ...outcome, hub }), stopping.signal),
      );
      adopted.add(work);
      void work.finally(() => adopted.delete(work));
    },
    settleAnswered: (leg, source, answer) => settleAnswered(deps, leg, source, answer),
    async deliverEntry(lease, signal) {
      const ends = await deliverLegs(deps, attempt, lease, signal);
      const outcomes = ends.flatMap(({ recipients, ended }) => toOutcomes(recipients, ended));
      await finishEntry(deps, lease, outcomes, signal);
      const reach = toReach(ends);
      // That it went says nothing of those who must be met with TLS, and wait for that.
      return lease.item.ignoresTlsPolicies ? { ...reach, reached: [] } : reach;
    },
    async stop() {
      stopping.abort(new Error("the relay is stopping"));
      await Promise.all(adopted);
    },
  };
}

interface LegEnd {
  readonly recipients: readonly EnvelopeRecipient[];
  readonly ended: Ended;
}

async function deliverLegs(
  { group }: DeliveryDeps,
  attempt: Relay["attempt"],
  { item, source }: SpoolLease,
  signal: AbortSignal,
): Promise<readonly LegEnd[]> {
  const ends: LegEnd[] = [];
  for (const recipients of group(item.envelope.recipients)) {
    const leg = { ...item, envelope: { ...item.envelope, recipients } };
    const result = await attempt(leg, source, RETRY_ATTEMPT_MS, signal);
    ends.push({ recipients, ended: await waitFor(result) });
  }
  return ends;
}

function toReach(ends: readonly LegEnd[]): Reach {
  const domainsOf = (some: readonly LegEnd[]) =>
    some.map(({ recipients }) => recipients[0]?.address.domain ?? "");
  const { reached = [], unreached = [] } = Object.groupBy(ends, ({ ended }) =>
    ended.kind === "unsent" ? "unreached" : "reached",
  );
  return { reached: domainsOf(reached), unreached: domainsOf(unreached) };
}

interface Way {
  readonly hub: string | null;
  readonly hop?: Hop;
}

type Ended = SendOutcome & Way;

async function settleAnswered(
  deps: DeliveryDeps,
  leg: Leg,
  source: MessageSource,
  { fates, hub, dsn = false }: AttemptResult & { kind: "answered" },
): Promise<void> {
  const toldOf = (kind: RecipientFate["kind"]) =>
    leg.envelope.recipients.flatMap((recipient, i): readonly Told[] => {
      const fate = fates[i];
      return fate?.kind === kind ? [{ recipient, hub, reply: fate.reply }] : [];
    });
  const owed = await settleUndeliverable(deps, leg, source, toldOf("refused"));
  if (owed.length > 0) throw new Unavailable("quarantine", "refused mail could not be kept");
  if (!dsn) await notifyRelayed(deps, leg, source, toldOf("accepted"));
}

async function waitFor(result: AttemptResult): Promise<Ended> {
  if (result.kind !== "pending") return result;
  const { hub, hop } = result;
  return { ...(await result.settled), hub, ...(hop && { hop }) };
}

function toOutcomes(recipients: readonly EnvelopeRecipient[], ended: Ended): readonly Outcome[] {
  const { hub, hop } = ended;
  const reason = "reason" in ended ? ended.reason : "the hub left this recipient out";
  const dsn = ended.kind === "answered" && ended.dsn === true;
  return recipients.map((recipient, i) => {
    const fate = ended.kind === "answered" ? ended.fates[i] : undefined;
    const way = { hub, ...(hop && { hop }), dsn };
    return { recipient, ...way, fate: fate ?? { kind: "open", reason } };
  });
}

/** It may take the hub ten minutes (RFC 5321 4.5.3.2.6): until then nobody would know where the mail is. */
function tellWaiting({ facts, clock }: DeliveryDeps, leg: Leg, { hub, hop }: Way): void {
  const recipients = leg.envelope.recipients.map(({ address }) => address.spoken);
  const reply = "waiting for the answer to the final dot";
  const id = leg.transactionId;
  facts.emit({ kind: "deferred", at: clock.now(), id, recipients, hub, ...hop, reply });
}

async function tellWhenSettled(
  deps: DeliveryDeps,
  leg: Leg,
  pending: AttemptResult & { kind: "pending" },
): Promise<void> {
  const outcome = await pending.settled;
  const { hub, hop } = pending;
  if (outcome.kind === "answered") tellFates(deps, leg, { ...outcome, hub, ...(hop && { hop }) });
}

/** One fact for those whom the hub told the same. */
function tellFates(
  { facts, clock }: DeliveryDeps,
  leg: Leg,
  { hub, hop, fates }: Way & { readonly fates: readonly RecipientFate[] },
): void {
  const groups = new Map<string, { fate: RecipientFate; recipients: string[] }>();
  for (const [i, { address }] of leg.envelope.recipients.entries()) {
    const fate = fates[i];
    if (!fate || fate.kind === "later") continue;
    const key = `${fate.kind} ${formatRemoteReply(fate.reply)}`;
    const group = groups.get(key) ?? { fate, recipients: [] };
    group.recipients.push(address.spoken);
    groups.set(key, group);
  }
  for (const { fate, recipients } of groups.values()) {
    facts.emit({
      kind: fate.kind === "accepted" ? "delivered" : "refused",
      at: clock.now(),
      id: leg.transactionId,
      recipients,
      hub,
      ...hop,
      reply: formatRemoteReply(fate.reply),
    });
  }
}
