import { Unavailable } from "../base/errors.ts";
import type { Message } from "../mail/message.ts";
import type { Cause } from "../pipeline/cause.ts";
import type { StageReport } from "../pipeline/report.ts";
import { openTaps, type TapSet } from "../pipeline/tap-set.ts";
import { limitsFor } from "../policy/listener-limits.ts";
import type { Reply } from "../smtp/reply.ts";
import type { DataFault, DataSink } from "../smtp/session-handler.ts";
import type { StageServices } from "../stages/catalog.ts";
import { dataLimit } from "./domain-fault.ts";
import { judgeMessage } from "./judge-message.ts";
import { ownPart } from "./origin.ts";
import { countOwnPasses, MAX_OWN_PASSES } from "./own-passes.ts";
import type { ReceiveDeps } from "./receive-deps.ts";
import { DROPPED, type Ending, toRecord } from "./record.ts";
import { replyFor } from "./replies.ts";
import { dataFacts, type Transaction } from "./session-state.ts";

/**
 * The message while it arrives: each chunk fans out once, to the message at rest and to the taps.
 * When the disk fails the rest is read and forgotten, and the final dot is answered 452.
 */
export function createDataSink(
  deps: ReceiveDeps,
  transaction: Transaction,
  signal: AbortSignal,
): DataSink {
  const draft = deps.messages.draft();
  const taps = startTaps(deps, transaction, signal);
  let broken: unknown = null;
  const maxBytes = dataLimit(transaction);
  return {
    lineEndings: transaction.recipients[0]?.domain?.lineEndings ?? "refuse",
    ...(maxBytes !== null && { maxBytes }),
    refusal: (fault) => refuse(transaction, FAULTS[fault]),
    async write(chunk) {
      if (broken) return;
      const tapped = taps.write(chunk);
      try {
        await draft.write(chunk);
      } catch (error) {
        broken = error;
      }
      await tapped;
    },
    async end() {
      try {
        if (broken) throw broken;
        return await finish(deps, transaction, await draft.finish(), taps, signal);
      } catch (error) {
        await draft.abort();
        return conclude(deps, transaction, null, [], brokenOff(deps, transaction, error));
      } finally {
        taps.abort();
      }
    },
    async abort(fault) {
      taps.abort();
      const action = fault === "too-slow" ? "defer" : "reject";
      const ending = fault === "gone" ? DROPPED : endedBy(transaction, FAULTS[fault], action);
      conclude(deps, transaction, null, [], ending);
      await draft.abort();
    },
  };
}

const FAULTS: { readonly [F in DataFault]: Cause } = {
  "too-large": "too-large",
  "bare-line-ending": "bare-line-ending",
  "header-too-large": "header-too-large",
  "too-slow": "too-slow",
  gone: "too-slow",
};

function startTaps(
  deps: ReceiveDeps,
  transaction: Transaction,
  signal: AbortSignal,
): TapSet<StageServices> {
  const view = { ...dataFacts(transaction), dns: transaction.queries.under(signal) };
  return openTaps(
    ownPart(transaction.plan.phases.data, transaction.relay),
    (stage) => stage.tap?.(view, deps.services, signal) ?? null,
    deps.clock,
  );
}

async function finish(
  deps: ReceiveDeps,
  transaction: Transaction,
  message: Message,
  taps: TapSet<StageServices>,
  signal: AbortSignal,
): Promise<Reply> {
  let released: Promise<unknown> = Promise.resolve();
  try {
    const received = message.headers.all("received").map(({ rawValue }) => rawValue);
    if (isLoop(received, transaction, deps.authservIds))
      return conclude(deps, transaction, message, [], endedBy(transaction, "loop", "reject"));
    const judged = await judgeMessage(deps, transaction, message, taps, signal);
    released = judged.released;
    return conclude(deps, transaction, message, judged.reports, judged.ending);
  } finally {
    void released.catch(() => {}).then(() => message.dispose());
  }
}

function isLoop(
  received: readonly string[],
  { snapshot, session }: Transaction,
  ownNames: readonly string[],
): boolean {
  const { receivedHeaders } = limitsFor(snapshot.limits, session.client.listener.name).message;
  return received.length > receivedHeaders || countOwnPasses(received, ownNames) > MAX_OWN_PASSES;
}

/** Tells the story of the transaction, once, and hands out the reply: any, when nobody hears it. */
function conclude(
  deps: ReceiveDeps,
  transaction: Transaction,
  message: Message | null,
  reports: readonly StageReport[],
  ending: Ending,
): Reply {
  const at = deps.clock.now();
  const record = toRecord(transaction, message, reports, ending, at);
  deps.facts.emit({ kind: "decided", at, record });
  return ending.reply ?? refuse(transaction, "too-slow");
}

function endedBy(transaction: Transaction, cause: Cause, action: Ending["action"]): Ending {
  const reply = refuse(transaction, cause);
  return { action, cause, stage: null, score: 0, scl: 0, reply, via: null };
}

/** Anything but a dependency that is away is a bug: it ends the session, and is told all the same. */
function brokenOff(deps: ReceiveDeps, transaction: Transaction, error: unknown) {
  const { id } = transaction;
  if (error instanceof Unavailable) {
    deps.log.error("message-not-stored", { id, reason: error.message });
    return endedBy(transaction, "no-space", "defer");
  }
  const stack = error instanceof Error ? error.stack : String(error);
  deps.log.error("bug", { id, stack });
  return endedBy(transaction, "internal-error", "defer");
}

function refuse({ id, snapshot }: Transaction, cause: Cause): Reply {
  return replyFor(cause, {}, id, snapshot.replies);
}
