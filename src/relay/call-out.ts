import { abandonOn, type Clock, startDeadline } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Address } from "../mail/address.ts";
import type { Routing } from "../policy/snapshot.ts";
import { formatRemoteReply } from "../smtp/client-reply.ts";
import type { ProbeAnswer, RecipientProbe } from "../stages/domains/recipient-probe.ts";
import { destinationOf } from "./destination.ts";
import { type Borrowed, type Hubs, toUnsent, type Unsent } from "./hubs.ts";

export interface CallOutOptions {
  readonly hubs: Hubs;
  readonly clock: Clock;
  readonly routing: () => Routing;
}

/** A mailbox seldom goes away; a new one should not stay unknown for long. */
const POSITIVE_MS = 60 * 60_000;
const NEGATIVE_MS = 5 * 60_000;
/** Of a harvest (threats.md P11) the cache keeps the latest, about 10 MB. */
const MAX_ANSWERS = 50_000;
/** A probe outlives whoever asked for it, so that its answer serves the next. */
const PROBE_MS = 30_000;

interface Cached {
  readonly answer: ProbeAnswer;
  readonly until: number;
}

/**
 * Asks the hub with MAIL FROM:<> and RCPT. Same questions at the same time share one probe.
 * Temporary answers are not kept. Never rejects.
 */
export function createCallOut(options: CallOutOptions): RecipientProbe {
  const { clock } = options;
  const answers = new Map<string, Cached>();
  const running = new Map<string, Promise<ProbeAnswer>>();

  const ask = async (key: string, recipient: Address): Promise<ProbeAnswer> => {
    const answer = await askHub(options, recipient);
    running.delete(key);
    const lifeMs = lifetimeOf(answer);
    if (lifeMs > 0) {
      answers.delete(key);
      answers.set(key, { answer, until: clock.monotonic() + lifeMs });
      const [oldest] = answers.keys();
      if (answers.size > MAX_ANSWERS && oldest !== undefined) answers.delete(oldest);
    }
    return answer;
  };
  return {
    async probe(recipient, signal) {
      const key = `${recipient.localPart}@${recipient.domain}`;
      const known = answers.get(key);
      if (known && clock.monotonic() < known.until) return { ...known.answer, cached: true };
      const asked = running.get(key) ?? ask(key, recipient);
      running.set(key, asked);
      try {
        return await abandonOn(signal, asked);
      } catch (error) {
        return { kind: "unknown", reply: errorText(error), cached: false };
      }
    },
  };
}

function lifetimeOf({ kind }: ProbeAnswer): number {
  if (kind === "accepted") return POSITIVE_MS;
  return kind === "refused" ? NEGATIVE_MS : 0;
}

async function askHub(options: CallOutOptions, recipient: Address): Promise<ProbeAnswer> {
  const { hubs, clock, routing } = options;
  const deadline = startDeadline(clock, PROBE_MS);
  try {
    const destination = destinationOf(routing(), recipient.domain);
    if (!destination) return toUnknown(`no route for ${recipient.domain}`);
    const answer = await hubs.over(destination, deadline.signal, (borrowed) =>
      probeOver(borrowed, recipient, deadline.signal),
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
  recipient: Address,
  signal: AbortSignal,
): Promise<ProbeAnswer | Unsent> {
  const end = () => connection.close();
  signal.addEventListener("abort", end, { once: true });
  try {
    const outcome = await connection.probe(null, recipient);
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
