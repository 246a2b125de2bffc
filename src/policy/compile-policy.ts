import type { Thresholds } from "../pipeline/plan.ts";
import type { AnyStage } from "../pipeline/stage.ts";
import { checkShape } from "./check-shape.ts";
import {
  compilePlans,
  DOMAINS_STAGE,
  OWN_AUTHOR_STAGE,
  OWN_SENDER_STAGE,
  placedStages,
} from "./compile-plan.ts";
import type { ReadNamedFile } from "./connector-files.ts";
import { checkOverrides } from "./domain-overrides.ts";
import type { RecipientReader } from "./domain-recipients.ts";
import { type CompiledDomains, compileDomains } from "./domains.ts";
import { toEffective } from "./effective.ts";
import type { FileException } from "./file-exception.ts";
import { type Limits, limitsSchema } from "./limits.ts";
import { compileOwnAuthors } from "./own-authors.ts";
import { checkPipelineFile, type PipelineFile } from "./pipeline-file.ts";
import type { SourceOf } from "./policy-sources.ts";
import { compileReplies } from "./replies.ts";
import { type CompiledRewriting, compileRewriting, effectiveRewriting } from "./rewriting.ts";
import { checkRoutes, compileRouting, withPostmaster } from "./routing.ts";
import { compileSigning } from "./signing.ts";
import type {
  Domains,
  OwnSenders,
  PolicySnapshot,
  RoutedDomains,
  Routing,
  SigningPolicy,
  TrustedRelays,
} from "./snapshot.ts";
import type { Path, Source } from "./source.ts";
import { checkStageOptions } from "./stage-options.ts";
import { DEFAULT_THRESHOLDS } from "./thresholds.ts";

/** Files that are read for the whole snapshot, whichever stages there are. */
export const OWN_FILES: readonly string[] = [
  "pipeline",
  "domains",
  "routing",
  "rewriting",
  "signing",
  "limits",
  "replies",
];

const REWRITING = "rewriting";
const ACCESS = "access";

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
  const { domains, routing } = mail;
  const rewriting = given(sourceOf(REWRITING), (source) =>
    compileRewriting(source, domains && routing && { domains, routing }),
  );
  if (!pipeline || !pipelineSource) return undefined;
  const signing = await compileSignatures(input, pipeline, domains, limits);

  const options = compileOptions(input, pipeline, mail, rewriting);
  const optionsOf = ({ name }: { readonly name: string }) => options.get(name);
  const plans = compilePlans({ file: pipeline, source: pipelineSource, catalog, optionsOf });
  if (mail.compiled && limits)
    checkOverrides({
      ...mail.compiled,
      plan: plans.inbound,
      limits,
      source: sourceOf("domains"),
    });
  if (!domains || !routing || !rewriting || !signing || !limits || !replies) return undefined;

  const { quarantine, tracking, ...bounds } = limits;
  const { ownSenders, ownAuthors, headers: outboundHeaders } = pipeline.outbound;
  const policy = {
    plans,
    domains,
    routing,
    relays: relaysOf(options),
    exceptions: exceptionsOf(options, sourceOf(ACCESS)),
    limits: bounds,
    replies,
    signing,
    quarantine,
    tracking,
    headers: pipeline.headers,
    outbound: { ownSenders, ownAuthors, headers: outboundHeaders },
  };
  const shown = { [REWRITING]: effectiveRewriting(rewriting.file) };
  return {
    ...policy,
    effective: toEffective(policy, catalog, options, { names: OWN_FILES, shown }),
  };
}

/** access.yaml is its stages' file, and the gateway must know the relays before it runs any. */
function relaysOf(options: ReadonlyMap<string, unknown>): TrustedRelays {
  const access = options.get(ACCESS) as { readonly relays?: TrustedRelays } | undefined;
  return access?.relays ?? { find: () => null };
}

/** With where they stand, for commands that list them. */
function exceptionsOf(
  options: ReadonlyMap<string, unknown>,
  source: Source | null,
): readonly FileException[] {
  const access = options.get(ACCESS) as { entries?(): readonly PlacedException[] } | undefined;
  return (access?.entries?.() ?? []).map(({ path, ...entry }) => ({
    ...entry,
    line: source?.lineOf(path) ?? 1,
  }));
}

type PlacedException = Omit<FileException, "line"> & { readonly path: Path };

/** Of every stage, by its name: from its own file, or made of the files of the whole policy. */
function compileOptions<Services>(
  input: CompileInput<Services>,
  pipeline: PipelineFile,
  { domains, routing }: Mail,
  rewriting: CompiledRewriting | undefined,
): ReadonlyMap<string, unknown> {
  const { sourceOf, catalog } = input;
  const inEach = placedStages(pipeline, catalog);
  const placed = inEach.inbound.union(inEach.outbound);
  const options = new Map(checkStageOptions({ catalog, placed, sourceOf, compiled: OWN_FILES }));
  const hasRoute = (domain: string) => (routing?.route(domain) ?? null) !== null;
  if (domains) options.set(DOMAINS_STAGE, { ...domains, hasRoute } satisfies RoutedDomains);
  const owns = (domain: string) => (domains?.find(domain) ?? null) !== null;
  options.set(OWN_SENDER_STAGE, { of: pipeline.outbound.ownSenders, owns } satisfies OwnSenders);
  const authors = compileOwnAuthors(pipeline.outbound.ownAuthors, domains);
  if (authors && !inEach.outbound.has(OWN_AUTHOR_STAGE))
    sourceOf("pipeline")?.complain(["outbound", "ownAuthors"], missing(OWN_AUTHOR_STAGE));
  options.set(OWN_AUTHOR_STAGE, authors);
  for (const [name, own] of rewritingOptions(input, rewriting, inEach)) options.set(name, own);
  return options;
}

/** For those stages of the file that have something to do: the others cost nothing. */
function rewritingOptions<Services>(
  { catalog, sourceOf }: CompileInput<Services>,
  compiled: CompiledRewriting | undefined,
  placed: ReturnType<typeof placedStages>,
): readonly (readonly [string, unknown])[] {
  if (!compiled) return [];
  const wanted = catalog.filter(
    ({ file, name }) => file === REWRITING && compiled.stages.has(name),
  );
  for (const { name, concerns } of wanted) {
    // A tag that is asked for inbound and not made outbound would refuse every bounce.
    const isMissed =
      (concerns !== "ours" && !placed.inbound.has(name)) ||
      (concerns !== "strangers" && !placed.outbound.has(name));
    if (isMissed) sourceOf(REWRITING)?.complain([], missing(name));
  }
  return wanted.map(({ name }) => [name, compiled.rewriting] as const);
}

function missing(stage: string): string {
  return `stage \`${stage}\`, which this needs, is not in pipeline.yaml`;
}

async function compileSignatures<Services>(
  { sourceOf, catalog, readFile }: CompileInput<Services>,
  pipeline: PipelineFile,
  domains: Domains | undefined,
  limits: { readonly delivery: Limits["delivery"] } | undefined,
): Promise<SigningPolicy | undefined> {
  const source = sourceOf("signing");
  const { inbound } = placedStages(pipeline, catalog);
  const around = { domains, delivery: limits?.delivery, inbound };
  return source ? compileSigning(source, readFile, around) : undefined;
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
