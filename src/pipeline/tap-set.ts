import { abandonOn, type Clock } from "../base/clock.ts";
import type { Json } from "../base/json.ts";
import type { Message } from "../mail/message.ts";
import type { PhasePlan } from "./plan.ts";
import type { BoundStage, Tap } from "./stage.ts";

/**
 * How long all taps of a message together may hold up its client. A tap beyond it is dropped and
 * gets the message again, at rest, after the final dot.
 */
export const TAP_PATIENCE_MS = 2000;

/** The taps of one message: each chunk fans out once to every stage that looks at the stream. */
export interface TapSet<Services> {
  /** Resolves when every tap has taken the chunk, or has used up its patience. Never rejects. */
  write(chunk: Buffer): Promise<void>;
  /** The evidence of one stage; rejects with what its tap threw. */
  evidence(
    stage: BoundStage<"data", Services>,
    message: Message,
    signal: AbortSignal,
  ): Promise<Json>;
  abort(): void;
}

interface Feed {
  tap: Tap<Json>;
  state: "streaming" | "lagging" | "failed" | "ended";
  error: unknown;
  waitedMs: number;
}

/** `open` starts the tap of a stage: once now, and again for one that fell behind. */
export function openTaps<Services>(
  phase: PhasePlan<"data", Services>,
  open: (stage: BoundStage<"data", Services>) => Tap<Json> | null,
  clock: Clock,
): TapSet<Services> {
  const feeds = new Map<string, Feed>();
  for (const stage of phase.steps.flat()) {
    const tap = open(stage);
    if (tap) feeds.set(stage.name, { tap, state: "streaming", error: null, waitedMs: 0 });
  }
  return {
    async write(chunk) {
      if (feeds.size === 0) return;
      const streaming = [...feeds.values()].filter((feed) => feed.state === "streaming");
      await Promise.all(streaming.map((feed) => pushChunk(feed, chunk, clock)));
    },
    async evidence(stage, message, signal) {
      const feed = feeds.get(stage.name);
      if (feed?.state === "failed") throw feed.error;
      if (feed?.state === "streaming") {
        feed.state = "ended";
        return feed.tap.end();
      }
      return readAtRest(open(stage), message, signal);
    },
    abort() {
      for (const feed of feeds.values()) stop(feed, "ended");
    },
  };
}

async function pushChunk(feed: Feed, chunk: Buffer, clock: Clock): Promise<void> {
  const started = clock.monotonic();
  let giveUp: () => void = () => {};
  const patience = new Promise<void>((resolve) => {
    giveUp = clock.after(TAP_PATIENCE_MS - feed.waitedMs, () => {
      stop(feed, "lagging");
      resolve();
    });
  });
  await Promise.race([take(feed, chunk), patience]);
  giveUp();
  feed.waitedMs += clock.monotonic() - started;
}

async function take(feed: Feed, chunk: Buffer): Promise<void> {
  try {
    await feed.tap.write(chunk);
  } catch (error) {
    feed.error = error;
    stop(feed, "failed");
  }
}

function stop(feed: Feed, state: Feed["state"]): void {
  if (feed.state !== "streaming") return;
  feed.state = state;
  feed.tap.abort();
}

async function readAtRest(
  tap: Tap<Json> | null,
  message: Message,
  signal: AbortSignal,
): Promise<Json> {
  if (!tap) throw new Error("a stage without a tap was asked for its evidence");
  try {
    for await (const chunk of message.read()) await abandonOn(signal, tap.write(chunk));
    return await tap.end();
  } catch (error) {
    tap.abort();
    throw error;
  }
}
