import type { AcceptedDomain } from "../policy/snapshot.ts";
import type { Reply } from "../smtp/reply.ts";
import type { ReceiveDeps } from "./receive-deps.ts";
import { toRecord } from "./record.ts";
import { replyFor } from "./replies.ts";
import type { Session, Transaction } from "./session-state.ts";

/**
 * Who is neither at a listener of ours for hubs and partners nor permitted to relay: the first to be
 * refused when something is short, because his mail comes again.
 */
export function isStranger(
  { client }: Session,
  facts: Pick<Transaction["facts"], "relay">,
): boolean {
  return client.listener.kind === "internet" && facts.relay === null;
}

/** What would have to rest on a disk that is short is not begun. */
export function diskFault(
  { pressure }: ReceiveDeps,
  { session, facts }: Transaction,
  domain: AcceptedDomain | null,
): { readonly action: "defer"; readonly cause: "no-space" } | null {
  if (domain?.ack !== "spool") return null;
  if (!pressure.refusesDisk(isStranger(session, facts))) return null;
  return { action: "defer", cause: "no-space" };
}

/** At MAIL, before any stage has asked anybody. The story is told all the same. */
export function refuseBusy(deps: ReceiveDeps, transaction: Transaction): Reply {
  const cause = "busy-resources";
  const { id, snapshot } = transaction;
  const reply = replyFor(cause, {}, id, snapshot.replies);
  const ending = {
    action: "defer",
    cause,
    stage: null,
    score: 0,
    scl: 0,
    reply,
    via: null,
  } as const;
  const at = deps.clock.now();
  deps.facts.emit({ kind: "decided", at, record: toRecord(transaction, null, [], ending, at) });
  return reply;
}
