import type { Clock } from "../base/clock.ts";
import type { Ids } from "../base/ids.ts";
import type { Message } from "../mail/message.ts";
import type { Decision } from "../pipeline/decision.ts";
import type { SigningRecord } from "../pipeline/facts.ts";
import { pipelineOf } from "../pipeline/plan.ts";
import type { StageReport } from "../pipeline/report.ts";
import type { MailFacts } from "../pipeline/stage.ts";
import type { MailSigner } from "../relay/mail-signer.ts";
import { finishedSource } from "./legs.ts";
import { createMessageSigning } from "./message-signing.ts";
import type { Snapshot } from "./session-state.ts";

export interface JudgeSigningDeps {
  readonly snapshot: Snapshot;
  readonly signer: MailSigner;
  /** The names of all our listeners. */
  readonly authservIds: readonly string[];
  readonly clock: Clock;
  readonly ids: Ids;
}

/** A message that would be taken. */
export interface JudgedMail {
  readonly message: Message;
  readonly facts: MailFacts;
  readonly reports: readonly StageReport[];
  /** Of each recipient: edits of one may change what another's are signed as. */
  readonly decisions: readonly Decision[];
}

/**
 * Whether we would sign or seal the message, and as whom: its bytes are finished as they would leave,
 * with the keys of the policy, and go nowhere. Throws Unavailable("signing") where it would be deferred.
 */
export async function judgeSigning(
  deps: JudgeSigningDeps,
  { message, facts, reports, decisions }: JudgedMail,
): Promise<readonly SigningRecord[]> {
  const { snapshot, signer, authservIds, clock, ids } = deps;
  const signing = createMessageSigning(signer);
  const stamp = {
    id: ids.transaction(),
    facts,
    reports,
    onlyRecipient: null,
    authservIds,
    snapshot,
    at: clock.now(),
  };
  const transaction = { pipeline: pipelineOf(facts.relay), snapshot };
  for (const decision of decisions)
    await finishedSource({ transaction, message, stamp, signing }, decision);
  return signing.records();
}
