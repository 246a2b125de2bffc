import { access } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { createSystemClock } from "../base/clock.ts";
import { formatProblem, PolicyError, type Problem } from "../base/errors.ts";
import { PHASES } from "../pipeline/report.ts";
import { loadPolicy } from "../policy/load-policy.ts";
import type { PolicySnapshot } from "../policy/snapshot.ts";
import type { RedisSettings } from "../reputation/redis-access.ts";
import { createCatalog, type StageServices } from "../stages/catalog.ts";
import { checkConnectors, checkRouteUse } from "./check-connectors.ts";
import { checkDmarcReports } from "./check-dmarc-reports.ts";
import {
  type CheckedListener,
  checkAuthorities,
  checkListener,
  checkListenerNames,
  type Warning,
} from "./check-listeners.ts";
import { checkOutboundTls } from "./check-outbound-tls.ts";
import { checkStaleLists, recipientLines, recipientsJson } from "./check-recipients.ts";
import { checkRedis, redisLine, warnOfRedis } from "./check-redis.ts";
import { checkSigning, signingJson, signingLines } from "./check-signing.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { toJsonLine } from "./visible-text.ts";

/** What `check` needs to know of the settings. */
export interface CheckedSettings {
  readonly file: string | null;
  readonly hostname: string;
  readonly policies: string;
  readonly listeners: readonly CheckedListener[];
  readonly clamd: readonly string[] | null;
  readonly dns: { readonly validates: boolean };
  readonly authorities: string | null;
  readonly redis: RedisSettings | null;
}

export interface CheckDependencies {
  /** settings.ts stands above this folder, so that it is handed in. Throws PolicyError. */
  loadSettings(input: {
    readonly file?: string | undefined;
    readonly env: CliContext["env"];
    readonly cwd: string;
  }): Promise<CheckedSettings>;
}

type Policy = PolicySnapshot<StageServices>;

interface Findings {
  readonly settings: CheckedSettings | null;
  /** Null when there was no folder to look at. */
  readonly folder: string | null;
  readonly policy: Policy | null;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Warning[];
}

/** `postern check`: all mistakes in settings and policies together; 0 when there is none, else 2. */
export async function checkCommand(
  context: CliContext,
  dependencies: CheckDependencies,
): Promise<number> {
  const findings = await findProblems(context, dependencies);
  if (context.json) context.out(toJsonLine(toJson(findings)));
  else for (const line of toLines(findings)) context.out(line);
  if (findings.problems.length === 0) return EXIT.ok;
  if (!context.json) context.err(countOf(findings.problems.length));
  return EXIT.usage;
}

async function findProblems(
  { env, cwd, settingsFile }: CliContext,
  { loadSettings }: CheckDependencies,
): Promise<Findings> {
  const loaded = await collect(() => loadSettings({ file: settingsFile, env, cwd }));
  const settings = loaded.value;
  const folder = settings ? settings.policies : await likelyFolder(cwd, env, settingsFile);
  const policy =
    folder === null
      ? { value: null, problems: [] }
      : await collect(() =>
          loadPolicy({ folder, catalog: createCatalog(), clock: createSystemClock() }),
        );
  const now = Date.now();
  const listeners = settings?.listeners ?? [];
  const opened = await Promise.all(listeners.map((listener) => checkListener(listener, now)));
  const authorities = settings?.authorities ? await checkAuthorities(settings.authorities) : [];
  const warnings = [
    ...opened.flatMap((found) => found.warnings),
    ...(settings && policy.value ? checkTogether(settings, policy.value) : []),
    ...warnOfRedis(settings?.redis ?? null),
    ...(policy.value ? checkConnectors(policy.value.routing, now) : []),
    ...(policy.value ? checkStaleLists(policy.value.domains.all, now) : []),
  ];
  const told = [
    ...loaded.problems,
    ...opened.flatMap((found) => found.problems),
    ...authorities,
    ...checkRedis(settings?.redis ?? null),
    ...policy.problems,
  ];
  const problems = told.map((problem) => ({
    ...problem,
    file: shorten(problem.file, cwd),
  }));
  return { settings, folder, policy: policy.value, problems, warnings };
}

/** What is right in the settings and in the policies, and does not fit together. */
function checkTogether({ listeners, dns }: CheckedSettings, policy: Policy): readonly Warning[] {
  return [
    ...checkListenerNames(listeners, policy.limits),
    ...checkRouteUse(listeners, policy),
    ...checkOutboundTls(dns.validates, policy),
    ...checkDmarcReports(policy),
    ...checkSigning(policy, listeners),
  ];
}

/** Where the policies are when settings cannot be read: their mistakes are worth telling too. */
async function likelyFolder(
  cwd: string,
  env: CliContext["env"],
  settingsFile: string | undefined,
): Promise<string | null> {
  const beside = settingsFile === undefined ? cwd : dirname(resolve(cwd, settingsFile));
  const folder = env.POSTERN_POLICIES
    ? resolve(cwd, env.POSTERN_POLICIES)
    : resolve(beside, "policies");
  return access(folder).then(
    () => folder,
    () => null,
  );
}

async function collect<T>(
  load: () => Promise<T>,
): Promise<{ readonly value: T | null; readonly problems: readonly Problem[] }> {
  try {
    return { value: await load(), problems: [] };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return { value: null, problems: error.problems };
  }
}

/** Relative below `cwd`, as editors and terminals like to follow; absolute elsewhere. */
function shorten(file: string, cwd: string): string {
  if (!isAbsolute(file)) return file;
  const short = relative(cwd, file);
  return short === "" || short.startsWith("..") ? file : short;
}

function countOf(problems: number): string {
  return problems === 1 ? "1 problem" : `${problems} problems`;
}

function toJson({ settings, folder, policy, problems, warnings }: Findings): unknown {
  return {
    ok: problems.length === 0,
    settings: settings && { file: settings.file, hostname: settings.hostname },
    policies: folder === null ? null : { folder, version: policy?.version ?? null },
    recipients: policy && recipientsJson(policy.domains.all),
    signing: policy && signingJson(policy.signing),
    problems,
    warnings,
  };
}

function toLines(findings: Findings): readonly string[] {
  const { settings, folder, policy, problems } = findings;
  const warnings = findings.warnings.map(
    ({ subject, message }) => `warning: ${subject}: ${message}`,
  );
  if (problems.length > 0) return [...problems.map(formatProblem), ...warnings];
  const rows: (readonly [string, string])[] = [];
  if (settings) {
    rows.push(["settings", settings.file ?? "environment"], ["hostname", settings.hostname]);
    rows.push(["listeners", settings.listeners.map(({ name }) => name).join(", ")]);
    rows.push(["clamd", settings.clamd?.join(", ") ?? "none: mail is not scanned"]);
    rows.push(["redis", redisLine(settings.redis)]);
  }
  if (folder !== null && policy) rows.push(["policies", `${folder} (version ${policy.version})`]);
  if (policy) rows.push(...policyRows(policy));
  const width = Math.max(...rows.map(([name]) => name.length));
  return [...rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`), ...warnings, "ok"];
}

function policyRows(policy: Policy): readonly (readonly [string, string])[] {
  const { domains, routing, plans } = policy;
  const stagesOf = ({ phases }: Policy["plans"]["inbound"]) =>
    PHASES.flatMap((phase) => phases[phase].steps.flatMap((step) => step.map(({ name }) => name)));
  return [
    ["domains", listed(domains.all.map(({ name }) => name))],
    ...recipientLines(domains.all.slice(0, MAX_LISTED), Date.now()).map(
      (line) => ["recipients", line] as const,
    ),
    ...signingLines(policy.signing).map((line) => ["signing", line] as const),
    ["connectors", listed(routing.all.map(({ name }) => name))],
    // All of them: what is not there is what somebody looks for here.
    ["stages", stagesOf(plans.inbound).join(", ") || "none"],
    ["outbound", stagesOf(plans.outbound).join(", ") || "none"],
    ["mode", plans.inbound.mode],
  ];
}

/** A screen line's worth; the rest is counted. */
const MAX_LISTED = 10;

function listed(names: readonly string[]): string {
  const rest = names.length - MAX_LISTED;
  const shown = names.slice(0, MAX_LISTED).join(", ");
  if (names.length === 0) return "none";
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}
