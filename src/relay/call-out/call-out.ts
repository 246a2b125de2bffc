import { abandonOn, type Clock, startDeadline } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Metrics } from "../../base/metrics.ts";
import { shareOf } from "../../base/share.ts";
import type { Address } from "../../mail/address.ts";
import { defaultCallOutRules } from "../../policy/call-out-rules.ts";
import type { CallOutRules, Routing } from "../../policy/snapshot.ts";
import { formatRemoteReply } from "../../smtp/client-reply.ts";
import type { ProbeAnswer, RecipientProbe } from "../../stages/domains/recipient-probe.ts";
import { destinationOf } from "../hubs/destination.ts";
import { type Borrowed, type Hubs, toUnsent, type Unsent } from "../hubs/hubs.ts";
import { createAnswerCache } from "./answer-cache.ts";
import { createCallOutPace } from "./call-out-pace.ts";
import { createHubCandour } from "./hub-candour.ts";

export interface CallOutOptions {
  readonly hubs: Hubs;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly routing: () => Routing;
  /** How many processes share the questions of a minute. Default: this one. */
  readonly processes?: number;
}

/** A probe outlives whoever asked for it, so that its answer serves the next. */
const PROBE_MS = 30_000;

/**
 * Asks the hub with MAIL and RCPT. Same questions at the same time share one probe. Temporary answers
 * are not kept. Never rejects.
 */
export function createCallOut(options: CallOutOptions): RecipientProbe {
  const { clock, metrics, processes = 1 } = options;
  const answers = createAnswerCache(clock);
  const running = new Map<string, Promise<ProbeAnswer>>();
  const pace = createCallOutPace(clock);
  const ask = (nobody: Address) => askHub(options, nobody, null);
  const candour = createHubCandour({ ...options, ask });
  const outcomes = metrics.counter(
    "postern_call_outs_total",
    "Recipients that a hub was to be asked about, by its answer, or cached or limited without one.",
    ["outcome"],
  );
  const askAndKeep = async (key: string, recipient: Address, rules: CallOutRules) => {
    const answer = await askHub(options, recipient, rules.sender);
    running.delete(key);
    outcomes.add({ outcome: answer.kind });
    candour.note(recipient, answer);
    answers.keep(key, answer, lifetimeOf(answer, rules));
    return answer;
  };
  const begin = (key: string, recipient: Address, rules: CallOutRules) => {
    if (!pace.admit(rules.countedAs, shareOf(rules.perMinute, processes))) return null;
    const asked = askAndKeep(key, recipient, rules);
    running.set(key, asked);
    return asked;
  };
  return {
    async probe(recipient, signal, rules = defaultCallOutRules(recipient.domain)) {
      const key = `${recipient.localPart}@${recipient.domain}`;
      const known = answers.get(key);
      const asked = known ? null : (running.get(key) ?? begin(key, recipient, rules));
      if (!asked) outcomes.add({ outcome: known ? "cached" : "limited" });
      if (known) return { ...known, cached: true };
      if (!asked) return { kind: "limited", cached: false };
      try {
        return await abandonOn(signal, asked);
      } catch (error) {
        return { kind: "unknown", reply: errorText(error), cached: false };
      }
    },
  };
}

function lifetimeOf({ kind }: ProbeAnswer, { positiveMs, negativeMs }: CallOutRules): number {
  if (kind === "accepted") return positiveMs;
  return kind === "refused" ? negativeMs : 0;
}

async function askHub(
  options: CallOutOptions,
  recipient: Address,
  sender: Address | null,
): Promise<ProbeAnswer> {
  const { hubs, clock, routing } = options;
  const deadline = startDeadline(clock, PROBE_MS);
  try {
    const destination = destinationOf(routing(), recipient.domain);
    if (!destination) return toUnknown(`no route for ${recipient.domain}`);
    const answer = await hubs.over(destination, deadline.signal, (borrowed) =>
      probeOver(borrowed, sender, recipient, deadline.signal),
    );
    if (answer.kind === "unroutable")
      return { kind: "refused", reply: formatRemoteReply(answer.reply), cached: false };
    return answer.kind === "unsent" ? toUnknown(answer.reason) : answer;
  } catch (error) {
    return toUnknown(errorText(error));
  } finally {
    deadline.clear();
  }
}

async function probeOver(
  { hub, connection, release }: Borrowed,
  sender: Address | null,
  recipient: Address,
  signal: AbortSignal,
): Promise<ProbeAnswer | Unsent> {
  const end = () => connection.close();
  signal.addEventListener("abort", end, { once: true });
  try {
    const outcome = await connection.probe(sender, recipient);
    if (outcome.kind !== "unsent") {
      return { kind: outcome.kind, reply: formatRemoteReply(outcome.reply), cached: false };
    }
    // The session stands, so the hub is well: it only would not say.
    if (connection.usable()) return toUnknown(outcome.reason);
    return toUnsent(hub, outcome.reason);
  } finally {
    signal.removeEventListener("abort", end);
    release();
  }
}

function toUnknown(reason: string): ProbeAnswer {
  return { kind: "unknown", reply: reason, cached: false };
}
