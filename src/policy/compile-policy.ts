import type { Thresholds } from "../pipeline/plan.ts";
import type { AnyStage } from "../pipeline/stage.ts";
import { checkShape } from "./check-shape.ts";
import { compilePlans, DOMAINS_STAGE, OWN_SENDER_STAGE, placedStages } from "./compile-plan.ts";
import type { ReadNamedFile } from "./connector-files.ts";
import { checkOverrides } from "./domain-overrides.ts";
import type { RecipientReader } from "./domain-recipients.ts";
import { type CompiledDomains, compileDomains } from "./domains.ts";
import { toEffective } from "./effective.ts";
import { limitsSchema } from "./limits.ts";
import { checkPipelineFile } from "./pipeline-file.ts";
import type { SourceOf } from "./policy-sources.ts";
import { compileReplies } from "./replies.ts";
import { checkRoutes, compileRouting, withPostmaster } from "./routing.ts";
import type { OwnSenders, PolicySnapshot, RoutedDomains, Routing } from "./snapshot.ts";
import type { Source } from "./source.ts";
import { checkStageOptions } from "./stage-options.ts";
import { DEFAULT_THRESHOLDS } from "./thresholds.ts";

/** Files that belong to no stage. */
export const OWN_FILES: readonly string[] = ["pipeline", "domains", "routing", "limits", "replies"];

export interface CompileInput<Services> {
  readonly catalog: readonly AnyStage<Services>[];
  readonly sourceOf: SourceOf;
  readonly readRecipients: RecipientReader;
  readonly readFile: ReadNamedFile;
}

/** A snapshot but for what the reading knows. */
export type CompiledPolicy<Services> = Omit<
  PolicySnapshot<Services>,
  "version" | "secrets" | "loadedAt"
>;

/**
 * Makes the parsed files into one policy. Every file is looked at even when another is wrong, so
 * that all problems are told together; undefined when there was one.
 */
export async function compilePolicy<Services>(
  input: CompileInput<Services>,
): Promise<CompiledPolicy<Services> | undefined> {
  const { sourceOf, catalog } = input;
  const pipelineSource = sourceOf("pipeline");
  const pipeline = given(pipelineSource, checkPipelineFile);
  const mail = await compileMail(input, pipeline?.thresholds ?? DEFAULT_THRESHOLDS);
  const limits = given(sourceOf("limits"), (source) => checkShape(limitsSchema, source));
  const replies = given(sourceOf("replies"), compileReplies);
  if (!pipeline || !pipelineSource) return undefined;

  const placed = placedStages(pipeline, catalog);
  const options = new Map(checkStageOptions({ catalog, placed, sourceOf }));
  const { domains, routing } = mail;
  const hasRoute = (domain: string) => (routing?.route(domain) ?? null) !== null;
  if (domains) options.set(DOMAINS_STAGE, { ...domains, hasRoute } satisfies RoutedDomains);
  const { ownSenders, headers: outboundHeaders } = pipeline.outbound;
  const owns = (domain: string) => (domains?.find(domain) ?? null) !== null;
  options.set(OWN_SENDER_STAGE, { of: ownSenders, owns } satisfies OwnSenders);
  const optionsOf = ({ name }: { readonly name: string }) => options.get(name);
  const plans = compilePlans({ file: pipeline, source: pipelineSource, catalog, optionsOf });
  if (mail.compiled && limits)
    checkOverrides({
      ...mail.compiled,
      plan: plans.inbound,
      limits,
      source: sourceOf("domains"),
    });
  if (!domains || !routing || !limits || !replies) return undefined;

  const { quarantine, tracking, ...bounds } = limits;
  const policy = {
    plans,
    domains,
    routing,
    limits: bounds,
    replies,
    quarantine,
    tracking,
    headers: pipeline.headers,
    outbound: { ownSenders, headers: outboundHeaders },
  };
  return { ...policy, effective: toEffective(policy, catalog, options) };
}

interface Mail {
  readonly compiled: CompiledDomains | undefined;
  readonly domains: CompiledDomains["domains"] | undefined;
  readonly routing: Routing | undefined;
}

async function compileMail<Services>(
  { sourceOf, readRecipients, readFile }: CompileInput<Services>,
  thresholds: Thresholds,
): Promise<Mail> {
  const domainsSource = sourceOf("domains");
  const routingSource = sourceOf("routing");
  const compiled = domainsSource
    ? await compileDomains(domainsSource, thresholds, readRecipients)
    : undefined;
  const routing = routingSource ? await compileRouting(routingSource, readFile) : undefined;
  const domains = compiled?.domains;
  if (!compiled || !routing || !domainsSource || !routingSource)
    return { compiled, domains, routing };
  checkRoutes(compiled, routing, domainsSource);
  return { compiled, domains, routing: withPostmaster(routing, compiled.domains) };
}

function given<T>(source: Source | null, compile: (source: Source) => T): T | undefined {
  return source ? compile(source) : undefined;
}
