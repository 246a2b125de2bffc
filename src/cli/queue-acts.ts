import type { CommandPort } from "../control/control.ts";
import type { QueueOutcome } from "../control/queue-commands.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { refuseUsage } from "./failure.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

export interface SelectorWords {
  readonly recipient?: string;
  readonly domain?: string;
  readonly sender?: string;
  readonly reason?: string;
  readonly state?: string;
}

export interface QueueAct {
  readonly verb: "retry" | "hold" | "release" | "drop";
  readonly by: string;
  /** One of the two. */
  readonly ids?: readonly string[];
  readonly selector?: SelectorWords;
  readonly note?: string;
  readonly bounce: boolean;
  readonly yes: boolean;
}

type Outcome = QueueOutcome["outcome"];

/** Ids of one request: it is short, so that the work can be stopped and begun again. */
const IDS_A_REQUEST = 500;
/** Lines for people; more are counted. */
const MOST_LINES = 50;

/** `postern queue retry`, `hold`, `release`, `drop`. */
export async function queueActCommand(
  context: CliContext,
  port: CommandPort,
  act: QueueAct,
): Promise<number> {
  const { err, json } = context;
  const ids = act.ids ?? (await select(port, act));
  if (ids.length === 0) {
    if (!json) err("nothing in the queue fits");
    return EXIT.negative;
  }
  const count = act.ids ? await countEntries(port, act) : ids.length;
  if (act.verb === "drop" && count > 1 && !act.yes)
    return refuseUsage(context, `this drops ${count} messages: say --yes`);
  const outcomes: QueueOutcome[] = [];
  for (let at = 0; at < ids.length; at += IDS_A_REQUEST) {
    outcomes.push(...(await order(port, act, ids.slice(at, at + IDS_A_REQUEST))));
    const done = Math.min(at + IDS_A_REQUEST, ids.length);
    if (ids.length > IDS_A_REQUEST && !json) err(`${done} of ${ids.length}`);
  }
  report(context, act, outcomes);
  const failed = outcomes.filter(({ outcome }) => !DONE.has(outcome)).length;
  return failed === outcomes.length || (act.ids && failed > 0) ? EXIT.negative : EXIT.ok;
}

/** What a condition means: a retry leaves alone what is held, a release is about nothing else. */
async function select(port: CommandPort, { verb, selector }: QueueAct): Promise<readonly string[]> {
  const usual = verb === "retry" ? { state: "due" } : verb === "release" ? { state: "held" } : {};
  const rows = await port.call("queue.select", { ...usual, ...selector });
  return (rows as readonly { readonly id: string }[]).map(({ id }) => id);
}

async function countEntries(port: CommandPort, { verb, ids = [] }: QueueAct): Promise<number> {
  if (verb !== "drop") return ids.length;
  return (await port.call("queue.select", { ids })).length;
}

async function order(
  port: CommandPort,
  { verb, by, note, bounce }: QueueAct,
  ids: readonly string[],
): Promise<readonly QueueOutcome[]> {
  const extra = verb === "drop" ? { bounce } : verb === "hold" && note ? { note } : {};
  return (await port.call(`queue.${verb}`, { ids, by, ...extra })) as readonly QueueOutcome[];
}

function report({ out, json }: CliContext, { verb }: QueueAct, outcomes: readonly QueueOutcome[]) {
  if (json) {
    for (const one of outcomes) out(toJsonLine(one));
    return;
  }
  if (outcomes.length <= MOST_LINES) {
    for (const { id, outcome } of outcomes) out(toVisible(`${id}  ${wordsFor(verb, outcome)}`));
    return;
  }
  const counts = Map.groupBy(outcomes, ({ outcome }) => wordsFor(verb, outcome));
  for (const [words, group] of counts) out(`${group.length}  ${words}`);
}

const DONE: ReadonlySet<Outcome> = new Set<Outcome>([
  "done",
  "after-attempt",
  "bounced",
  "quarantined",
]);

const DONE_WORDS: { readonly [V in QueueAct["verb"]]: string } = {
  retry: "due now",
  hold: "held",
  release: "released, due now",
  drop: "dropped",
};

const UNCHANGED_WORDS: { readonly [V in QueueAct["verb"]]: string } = {
  retry: "due already",
  hold: "held already",
  release: "is not held",
  drop: "not dropped",
};

function wordsFor(verb: QueueAct["verb"], outcome: Outcome): string {
  switch (outcome) {
    case "done":
      return DONE_WORDS[verb];
    case "unchanged":
      return UNCHANGED_WORDS[verb];
    case "active":
      return "is being delivered right now";
    case "after-attempt":
      return "is being delivered right now; held when this attempt leaves it";
    case "not-found":
      return "is not in the queue";
    case "corrupt":
      return "is damaged and was set aside";
    case "bounced":
      return "dropped, and the sender is told";
    case "quarantined":
      return "dropped; no bounce may be sent, so it is kept in quarantine";
  }
}
