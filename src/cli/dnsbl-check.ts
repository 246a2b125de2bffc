import { formatProblem, PolicyError } from "../base/errors.ts";
import { createSilentLog } from "../base/log.ts";
import { openJudge } from "../compose-commands.ts";
import { type IpAddress, parseIp } from "../net/ip.ts";
import { createLookupScope } from "../net/resolver.ts";
import { loadSettings } from "../settings.ts";
import {
  type DnsblOptions,
  dnsblOptions,
  groupByZone,
  type ListedZone,
} from "../stages/dnsbl/dnsbl-options.ts";
import { judgeZones } from "../stages/dnsbl/judge-zones.ts";
import { matchingScores, queryZone, type ZoneEvidence } from "../stages/dnsbl/query-zones.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { renderTable } from "./table.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

/** As long as an operator waits for a list that does not answer. */
const PATIENCE_MS = 10_000;

interface Answer {
  readonly zone: string;
  readonly status: ZoneEvidence["status"];
  /** Of the lists that count here; null: none does. */
  readonly score: number | null;
  readonly answers: readonly string[];
  readonly ms: number;
  readonly about: string;
}

/**
 * `postern dnsbl check`: what every list of the policy says about an address, after its canary, and
 * what that comes to. 1 when the address would be refused. The running gateway is not asked: it may
 * have demoted a list, which `dnsbl stats` tells.
 */
export async function dnsblCheckCommand(context: CliContext, address: string): Promise<number> {
  const ip = parseIp(address);
  if (!ip) return refuse(context, `expected an IP address, got ${address}`);
  try {
    const { env, cwd, settingsFile } = context;
    const settings = await loadSettings({ env, cwd, file: settingsFile });
    const judge = await openJudge(settings, createSilentLog());
    try {
      const { snapshot } = judge;
      const options = optionsOf(snapshot.effective);
      const zones = groupByZone(options);
      if (zones.length === 0) return refuse(context, "dnsbl.yaml names no list");
      const asked = await Promise.all(zones.map((zone) => ask(zone, ip, judge)));
      return answer(context, ip, zones, asked, options);
    } finally {
      await judge.close();
    }
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    for (const problem of error.problems) context.err(formatProblem(problem));
    return EXIT.usage;
  }
}

function refuse({ err }: CliContext, message: string): number {
  err(message);
  return EXIT.usage;
}

/** The options of the stage as the folder has them, whether a pipeline runs it or not. */
export function optionsOf(effective: unknown): DnsblOptions {
  return dnsblOptions.parse((effective as { readonly dnsbl?: unknown } | null)?.dnsbl ?? {});
}

type Judge = Awaited<ReturnType<typeof openJudge>>;

async function ask(zone: ListedZone, ip: IpAddress, { services, resolver, clock }: Judge) {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const health = services.zoneHealth;
  await health.proven(zone, signal);
  const startedAt = clock.monotonic();
  const scope = createLookupScope(signal);
  const evidence = await queryZone(zone, { ip, resolver, health, clock, scope });
  return { evidence, ms: Math.round(clock.monotonic() - startedAt) };
}

type Asked = Awaited<ReturnType<typeof ask>>;

function answer(
  context: CliContext,
  ip: IpAddress,
  zones: readonly ListedZone[],
  asked: readonly Asked[],
  options: DnsblOptions,
): number {
  const said = asked.map(({ evidence }) => evidence);
  const verdict = judgeZones({ client: ip.text, zones: said }, options);
  const answers = zones.flatMap((zone, i) => {
    const one = asked[i];
    return one ? [toAnswer(zone, one)] : [];
  });
  const total = answers.reduce((sum, { score }) => sum + (score ?? 0), 0);
  const isRefused = verdict.kind === "reject";
  const { rejectAt } = options;
  if (context.json)
    context.out(toJsonLine({ client: ip.text, answers, total, rejectAt, refused: isRefused }));
  else {
    const lines = renderTable(COLUMNS, answers.map(toRow), context.width ?? null);
    for (const line of lines) context.out(line);
    const limit = rejectAt === null ? "no sum refuses" : `refused from ${rejectAt}`;
    const fate = isRefused ? "refused" : "not refused";
    context.out(toVisible(`${ip.text}: ${total} together, ${limit}: ${fate}`));
  }
  return isRefused ? EXIT.negative : EXIT.ok;
}

const COLUMNS = [
  { title: "LIST" },
  { title: "STATUS" },
  { title: "SCORE", align: "right" },
  { title: "MS", align: "right" },
  { title: "ANSWER", flexible: true },
] as const;

function toRow({ zone, status, score, answers, ms, about }: Answer): readonly string[] {
  const said = [answers.join(" "), about].filter((text) => text !== "").join(": ");
  return [zone, status, score === null ? "" : String(score), String(ms), said];
}

function toAnswer(zone: ListedZone, { evidence, ms }: Asked): Answer {
  const { status, answers, reason = "", text = "" } = evidence;
  const scores = status === "listed" ? matchingScores(zone, answers) : [];
  const score = scores.length === 0 ? null : scores.reduce((sum, one) => sum + one, 0);
  return { zone: zone.label, status, score, answers, ms, about: reason || text };
}
