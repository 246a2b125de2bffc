import type { Clock } from "../base/clock.ts";
import { Unavailable } from "../base/errors.ts";
import type { Address } from "../mail/address.ts";
import type { FactBus } from "../pipeline/facts.ts";
import type { Hold, Quarantine } from "../quarantine/quarantine.ts";
import type { NewSpoolItem, SpoolLease } from "../spool/spool.ts";
import type { SpoolIntake } from "../spool/spool-intake.ts";
import type { Relay } from "./relay.ts";

export interface ReleaseDeps {
  readonly quarantine: Quarantine;
  readonly spool: SpoolIntake;
  /** Delivers what is spooled; where none runs, the next one will find it. */
  readonly relay: Pick<Relay, "adopt" | "wake">;
  /** Whether some connector takes mail for the domain. */
  readonly hasRoute: (domain: string) => Promise<boolean>;
  readonly facts: FactBus;
  readonly clock: Clock;
}

export interface ReleaseOptions {
  /** Instead of the held recipients. */
  readonly to?: Address;
  /** Who asked, for the record. */
  readonly by: string;
  /** Needed for mail that is held as malware. */
  readonly force: boolean;
}

export type ReleaseResult =
  | { readonly kind: "released"; readonly recipients: readonly string[] }
  | { readonly kind: "refused"; readonly reason: ReleaseRefusal; readonly domain?: string };

export type ReleaseRefusal =
  | "not-found"
  /** Released or deleted before. */
  | "not-held"
  | "bytes-gone"
  /** For `domain`: it would wait in the spool for days and be held again. */
  | "no-route"
  | "malware-needs-force";

/**
 * Sends a held message to the hub, once, without judging it again. It is spooled first, on a lease
 * of ours, and claimed then: a crash in between leaves a message that is delivered and still held,
 * never one that is neither. Throws Unavailable, and then it is held as before.
 */
export async function releaseHold(
  deps: ReleaseDeps,
  id: string,
  options: ReleaseOptions,
): Promise<ReleaseResult> {
  const { quarantine, spool, facts, clock } = deps;
  const hold = await quarantine.find(id);
  const refusal = refusalOf(hold, options);
  if (!hold || refusal) return { kind: "refused", reason: refusal ?? "not-found" };
  const item = toItem(hold, options, clock.now());
  const domain = await findUnrouted(deps, item);
  if (domain !== null) return { kind: "refused", reason: "no-route", domain };
  const source = await quarantine.open(id);
  if (!source) return { kind: "refused", reason: "bytes-gone" };
  const lease = await spool.addLeased(item, source);
  if (!(await claim(deps, id, options.by, lease))) return { kind: "refused", reason: "not-held" };
  const recipients = lease.item.envelope.recipients.map(({ address }) => address.spoken);
  const at = clock.now();
  facts.emit({
    kind: "released",
    at,
    id: hold.transactionId,
    holdId: id,
    by: options.by,
    recipients,
  });
  await handOver(deps, lease);
  return { kind: "released", recipients };
}

function refusalOf(hold: Hold | null, { force }: ReleaseOptions): ReleaseRefusal | null {
  if (!hold) return "not-found";
  if (hold.state !== "held") return "not-held";
  return hold.cause === "malware" && !force ? "malware-needs-force" : null;
}

async function findUnrouted(
  { hasRoute }: ReleaseDeps,
  { envelope }: NewSpoolItem,
): Promise<string | null> {
  const domains = new Set(envelope.recipients.map(({ address }) => address.domain));
  for (const domain of domains) if (!(await hasRoute(domain))) return domain;
  return null;
}

/**
 * Its age begins anew: it was not waiting for a hub but for a decision. Who was held by a verdict is
 * never told what becomes of it (threats.md P9), nor is anybody of a recipient whom he did not write
 * to: when the hub refuses it, it is held again and the administrator sees it.
 */
function toItem(hold: Hold, { to, by }: ReleaseOptions, now: number): NewSpoolItem {
  const { transactionId, envelope, senderAuthenticated, needs, cause, fieldOrigins } = hold;
  const isForeign = to !== undefined && /[^\x20-\x7e]/.test(to.spoken);
  return {
    transactionId,
    envelope: to ? { ...envelope, recipients: [{ address: to }] } : envelope,
    senderAuthenticated: senderAuthenticated && cause === "undeliverable" && !to,
    needs: { ...needs, smtpUtf8: needs.smtpUtf8 || isForeign },
    receivedAt: now,
    dueAt: now,
    reason: `released by ${by}`,
    ...(fieldOrigins && { fieldOrigins }),
  };
}

/** True when the release is ours. Otherwise nothing stays in the spool. */
async function claim(
  { quarantine }: ReleaseDeps,
  id: string,
  by: string,
  lease: SpoolLease,
): Promise<boolean> {
  try {
    if (await quarantine.claimRelease(id, by)) return true;
  } catch (error) {
    // The claim may have been made although we were not told.
    await quarantine.unclaimRelease(id).catch(() => {});
    await lease.remove();
    throw error;
  }
  await lease.remove();
  return false;
}

/** The message is durable and owed; who delivers it is a matter of this process only. */
async function handOver({ relay, clock }: ReleaseDeps, lease: SpoolLease): Promise<void> {
  const { envelope, reason } = lease.item;
  try {
    await lease.retry({ recipients: envelope.recipients, dueAt: clock.now(), reason });
    relay.wake();
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    const settled = Promise.resolve({ kind: "unsent", reason, reply: null } as const);
    relay.adopt(lease, settled, null);
  }
}
