import type { Json } from "../base/json.ts";
import type { Plan } from "../pipeline/plan.ts";
import { PHASES, type Phase } from "../pipeline/report.ts";
import type { AnyStage, BoundStage } from "../pipeline/stage.ts";
import { showReports } from "./daily-reports.ts";
import { formatDuration } from "./duration.ts";
import { showConnector } from "./show-connector.ts";
import { showSigning } from "./signing.ts";
import type { AcceptedDomain, CallOutRules, PolicySnapshot, RecipientSource } from "./snapshot.ts";

type Parts<Services> = Omit<
  PolicySnapshot<Services>,
  "version" | "secrets" | "loadedAt" | "effective"
>;

/** Files that are compiled for the whole snapshot, and how those look that no stage shows. */
export interface OwnFiles {
  readonly names: readonly string[];
  readonly shown: Readonly<Record<string, Json>>;
}

type JsonObject = { readonly [key: string]: Json | undefined };

/** Options deeper than this are no data of ours. */
const MAX_DEPTH = 24;

/** The whole policy with its defaults, laid out as the files are. Recipients are only counted. */
export function toEffective<Services>(
  policy: Parts<Services>,
  catalog: readonly AnyStage<Services>[],
  options: ReadonlyMap<string, unknown>,
  own: OwnFiles,
): Json {
  const { limits, quarantine, tracking, replies } = policy;
  return {
    pipeline: pipelineOf(policy),
    domains: { domains: byName(policy.domains.all, domainOf) },
    routing: {
      connectors: byName(policy.routing.all, showConnector),
      tlsReports: showReports(policy.routing.tlsReports),
      dmarcReports: showReports(policy.routing.dmarcReports),
    },
    limits: { ...limits, quarantine, tracking },
    signing: showSigning(policy.signing),
    replies: { texts: Object.fromEntries(replies.texts), footer: replies.footer },
    ...own.shown,
    ...stageFiles(catalog, options, own.names),
  };
}

function byName<T extends { readonly name: string }>(
  all: readonly T[],
  toEntry: (item: T) => Json,
): JsonObject {
  return Object.fromEntries(all.map((item) => [item.name, toEntry(item)]));
}

function pipelineOf<Services>({ plans, headers, outbound }: Parts<Services>): Json {
  const { scl, scores } = plans.inbound.scoring;
  const { ownSenders, ownAuthors, headers: removed } = outbound;
  return {
    ...planOf(plans.inbound),
    scl,
    scores: Object.fromEntries(scores),
    headers: { ...headers },
    outbound: { ...planOf(plans.outbound), ownSenders, ownAuthors, headers: { ...removed } },
  };
}

function planOf<Services>(plan: Plan<Services>): JsonObject {
  return {
    mode: plan.mode,
    phases: Object.fromEntries(PHASES.map((phase) => [phase, phaseOf(plan, phase)])),
    thresholds: { ...plan.scoring.thresholds },
  };
}

function phaseOf<Services>(plan: Plan<Services>, phase: Phase): Json {
  const { budgetMs, steps } = plan.phases[phase];
  return { budgetMs, steps: steps.map((step) => step.map(placedOf)) };
}

function placedOf<Services>(
  stage: Pick<BoundStage<Phase, Services>, "name" | "mode" | "onFailure" | "timeoutMs">,
): Json {
  const { name, mode, onFailure, timeoutMs } = stage;
  return { stage: name, mode, onFailure, timeoutMs };
}

function domainOf(domain: AcceptedDomain): Json {
  const { type, recipients, ack, lineEndings, thresholds, limits, skip } = domain;
  return {
    type,
    ...knownOf(recipients),
    ack,
    lineEndings,
    ...(thresholds && { thresholds: { ...thresholds } }),
    ...(limits && { limits: { ...limits } }),
    ...(skip && { skip: [...skip] }),
  };
}

function knownOf(recipients: RecipientSource): JsonObject {
  if (recipients.kind === "any") return { verify: "off" };
  if (recipients.kind === "call-out") return { verify: { callOut: callOutOf(recipients.rules) } };
  const { from, count, age, key, tags } = recipients;
  return {
    recipients: {
      from,
      count,
      ...(key !== undefined && { key }),
      ...(age && { made: new Date(age.madeAt).toISOString(), stale: age.stale }),
      ...(age && { fresh: formatDuration(age.freshUntil - age.madeAt) }),
      ...(tags !== undefined && { tags }),
    },
  };
}

function callOutOf({ positiveMs, negativeMs, sender, perMinute }: CallOutRules): Json {
  const [positive, negative] = [positiveMs, negativeMs].map(formatDuration);
  return { positive, negative, sender: sender?.spoken ?? "<>", perMinute };
}

function stageFiles<Services>(
  catalog: readonly AnyStage<Services>[],
  options: ReadonlyMap<string, unknown>,
  ownFiles: readonly string[],
): JsonObject {
  const files = new Map<string, JsonObject>();
  for (const { name, file, section } of catalog) {
    if (ownFiles.includes(file)) continue;
    const own = toJson(options.get(name), 0);
    const content = section === null ? own : { [section]: own };
    files.set(file, { ...files.get(file), ...(isObject(content) ? content : { [name]: content }) });
  }
  return Object.fromEntries(files);
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Compiled options may hold maps, sets, patterns and functions; show what can be shown. */
function toJson(value: unknown, depth: number): Json | undefined {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || depth > MAX_DEPTH) return undefined;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof RegExp) return value.source;
  if (value instanceof Set || Array.isArray(value))
    return [...value].map((item) => toJson(item, depth + 1) ?? null);
  const entries: Iterable<[unknown, unknown]> =
    value instanceof Map ? value : Object.entries(value);
  return Object.fromEntries(
    [...entries].map(([key, item]) => [String(key), toJson(item, depth + 1)]),
  );
}
