import type { Json } from "./base/json.ts";
import type { Ground, Stores } from "./compose-ground.ts";
import type { ControlCommands } from "./control/control.ts";
import { createExceptionCommands } from "./control/exception-commands.ts";
import { createReputationCommands, type SrlRules } from "./control/reputation-commands.ts";
import type { PolicySnapshot } from "./policy/snapshot.ts";
import { countHits } from "./stages/access/count-hits.ts";
import { createCatalog } from "./stages/catalog.ts";
import { createLearner } from "./stages/reputation/learner.ts";
import { reputationOptions } from "./stages/reputation/reputation-options.ts";

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
  stack.defer(countHits({ ...ground, reputation }));
}

/** What commands need of the policy in force; null: there is none that can be used. */
export type PolicyForCommands = () => Promise<Pick<
  PolicySnapshot<unknown>,
  "domains" | "effective" | "exceptions"
> | null>;

/** What can be asked of reputation, and the exceptions that operators make. */
export function reputationCommands(
  { log, clock }: Ground,
  { tracking, reputation }: Pick<Stores, "tracking" | "reputation">,
  policy: PolicyForCommands,
): ControlCommands {
  const scopes = createCatalog().flatMap(({ name, trustable }) => (trustable ? [name] : []));
  const shared = { reputation, tracking, log, clock };
  const rules = async () => toRules(await policy());
  const inFile = async () => (await policy())?.exceptions ?? null;
  return new Map([
    ...createReputationCommands({ ...shared, rules }),
    ...createExceptionCommands({ ...shared, scopes, inFile }),
  ]);
}

function toRules(policy: Awaited<ReturnType<PolicyForCommands>>): SrlRules {
  const written = memberOf(memberOf(policy?.effective, "reputation"), "srl");
  return {
    options: reputationOptions.safeParse(written).data ?? reputationOptions.parse({}),
    isOurs: (domain) => (policy?.domains.find(domain) ?? null) !== null,
  };
}

function memberOf(value: Json | undefined, key: string): Json | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return (value as { readonly [name: string]: Json | undefined })[key];
}
