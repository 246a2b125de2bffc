import { createSystemClock } from "../base/clock.ts";
import { formatProblem, PolicyError } from "../base/errors.ts";
import type { CommandPort } from "../control/control.ts";
import { loadPolicy } from "../policy/load-policy.ts";
import { loadSettings } from "../settings.ts";
import { createCatalog } from "../stages/catalog.ts";
import type { ZoneStatistics } from "../stages/dnsbl/zone-statistics.ts";
import { weighZones, type ZoneWorth } from "../stages/dnsbl/zone-worth.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { optionsOf } from "./dnsbl-check.ts";
import { renderTable } from "./table.ts";
import { formatTime } from "./time-words.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

/** `postern dnsbl stats`: what the lists said of stored transactions, under the policy of today. */
export async function dnsblStatsCommand(
  context: CliContext,
  port: CommandPort,
  { since }: { readonly since: number },
): Promise<number> {
  try {
    const { env, cwd, settingsFile } = context;
    const { policies: folder } = await loadSettings({ env, cwd, file: settingsFile });
    const clock = createSystemClock();
    const { effective } = await loadPolicy({ folder, catalog: createCatalog(), clock });
    const [statistics] = (await port.call("dnsbl.stats", { since })) as readonly ZoneStatistics[];
    const { clients, patterns, zones } = statistics ?? { clients: 0, patterns: [], zones: [] };
    const worth = weighZones({ clients, patterns, zones }, optionsOf(effective));
    if (context.json) context.out(toJsonLine({ clients, zones: worth }));
    else
      for (const line of toLines(clients, since, worth, context.width ?? null)) context.out(line);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    for (const problem of error.problems) context.err(formatProblem(problem));
    return EXIT.usage;
  }
}

const COLUMNS = [
  { title: "LIST" },
  { title: "SCORE", align: "right" },
  { title: "ANSWERED", align: "right", optional: true },
  { title: "SILENT", align: "right", optional: true },
  { title: "MS", align: "right", optional: true },
  { title: "LISTED", align: "right" },
  { title: "ALONE", align: "right" },
  { title: "DECIDES", align: "right" },
  { title: "MOST SHARED WITH", flexible: true },
] as const;

function toLines(
  clients: number,
  since: number,
  zones: readonly ZoneWorth[],
  width: number | null,
): readonly string[] {
  const head = `${clients} clients on record since ${formatTime(since)}`;
  if (zones.length === 0) return [head, "dnsbl.yaml names no list"];
  const notes = zones.flatMap(({ label, demoted, silent, reason }) => [
    ...(demoted ? [`${label} was demoted, and refused nobody: ${demoted}`] : []),
    ...(silent > 0 ? [`${label} said nothing of ${silent} clients: ${reason}`] : []),
  ]);
  return [head, ...renderTable(COLUMNS, zones.map(toRow), width), ...notes.map(toVisible)];
}

function toRow(worth: ZoneWorth) {
  const { label, scores, answered, silent, meanMs, listed, alone, decides, overlap } = worth;
  const share = answered > 0 ? `${listed} (${Math.round((listed / answered) * 100)}%)` : "0";
  const shared = overlap ? `${overlap.label} ${overlap.clients}` : "";
  const deciding = decides === null ? "" : String(decides);
  const counts = [answered, silent, meanMs ?? ""].map(String);
  return [label, scores.join(" "), ...counts, share, String(alone), deciding, shared];
}
