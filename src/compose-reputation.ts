import type { Ground, Stores } from "./compose-ground.ts";
import { countHits } from "./stages/access/count-hits.ts";
import { createLearner } from "./stages/reputation/learner.ts";

/** Closed before the stores that it writes to. */
export function learnFromFacts(
  stack: AsyncDisposableStack,
  ground: Ground,
  { tracking, reputation }: Pick<Stores, "tracking" | "reputation">,
): void {
  const recordOf = async (id: Parameters<typeof tracking.explain>[0]) =>
    (await tracking.explain(id))?.record ?? null;
  const learner = createLearner({ ...ground, reputation, recordOf });
  stack.defer(() => learner.close());
  stack.defer(countHits(ground.facts, reputation.exceptions));
}
