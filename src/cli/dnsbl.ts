import { createLog, type Log } from "../base/log.ts";
import type { CommandPort } from "../control/control.ts";
import type { IpAddress } from "../net/ip.ts";
import {
  checkClient,
  type DnsblAnswer,
  type DnsblProbe,
  type DnsblZoneAnswer,
} from "../stages/dnsbl/check-client.ts";
import type { ZoneStats } from "../stages/dnsbl/zone-ledger.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { type Column, renderTable } from "./table.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

export interface DnsblCheckDependencies<Settings> {
  /** Throws PolicyError. */
  loadSettings(input: {
    readonly file?: string | undefined;
    readonly env: CliContext["env"];
    readonly cwd: string;
  }): Promise<Settings>;
  openDnsblProbe(settings: Settings, log: Log): Promise<DnsblProbe & { close(): Promise<void> }>;
}

/** `postern dnsbl check IP`: what each list says and what it makes; 1 when it would be refused. */
export async function dnsblCheckCommand<Settings>(
  context: CliContext,
  { loadSettings, openDnsblProbe }: DnsblCheckDependencies<Settings>,
  ip: IpAddress,
): Promise<number> {
  const { env, cwd, settingsFile, err, out, json } = context;
  const settings = await loadSettings({ file: settingsFile, env, cwd });
  const write = (line: string) => err(line.trimEnd());
  const probe = await openDnsblProbe(
    settings,
    createLog({ level: "error", format: "json", write }),
  );
  try {
    const answer = await checkClient(ip, probe);
    if (json) out(toJsonLine(answer));
    else for (const line of describe(answer, probe.options.rejectAt)) out(toVisible(line));
    return answer.verdict.kind === "reject" ? EXIT.negative : EXIT.ok;
  } finally {
    await probe.close();
  }
}

function describe({ client, zones, verdict }: DnsblAnswer, rejectAt: number | null) {
  if (zones.length === 0) return ["dnsbl.yaml names no lists"];
  const sum = Math.round(zones.reduce((total, { score }) => total + score, 0) * 1000) / 1000;
  const limit = rejectAt === null ? "lists refuse nobody" : `refused from ${rejectAt}`;
  const end = verdict.kind === "reject" ? "would be refused" : "would not be refused";
  return [...zones.flatMap(describeZone), `${client}: score ${sum}, ${limit}: ${end}`];
}

function describeZone(zone: DnsblZoneAnswer): readonly string[] {
  const { label, status, answers, score, reason, text, canary, ms } = zone;
  const took = `${Math.round(ms)} ms`;
  const what = {
    listed: `lists it with ${answers.join(" ")}, score ${score > 0 ? "+" : ""}${score}`,
    clean:
      answers.length === 0
        ? "does not list it"
        : `answers ${answers.join(" ")}, which none of its lists in dnsbl.yaml counts`,
    error: `refuses to answer: ${reason}`,
    disabled: `is not believed: ${reason}`,
    temporary: `gave no answer: ${reason}`,
  }[status];
  const proof = canary.kind === "healthy" ? [] : [`  its canary: ${canary.kind}, ${canary.reason}`];
  return [`${label} ${what} (${took})`, ...(text ? [`  it says: ${text}`] : []), ...proof];
}

const COLUMNS: readonly Column[] = [
  { title: "list" },
  { title: "asked", align: "right" },
  { title: "listed", align: "right" },
  { title: "alone", align: "right" },
  { title: "no answer", align: "right" },
  { title: "mean ms", align: "right" },
  { title: "slowest ms", align: "right", optional: true },
  { title: "usual", align: "right" },
  { title: "state" },
  { title: "together with", flexible: true, optional: true },
];

/** `postern dnsbl stats`: which list is worth its look-ups, on the days that are remembered. */
export async function dnsblStatsCommand(context: CliContext, port: CommandPort): Promise<number> {
  const { out, err, json, width = null } = context;
  const stats = (await port.call("dnsbl-stats", {})) as readonly ZoneStats[];
  if (json) for (const one of stats) out(toJsonLine(one));
  else if (stats.length === 0) err("no list was asked yet");
  else for (const line of renderTable(COLUMNS, stats.map(toCells), width)) out(line);
  if (!json)
    for (const { zone, demoted } of stats)
      if (demoted !== null) out(toVisible(`${zone} refuses nobody: ${demoted}`));
  return stats.length === 0 ? EXIT.negative : EXIT.ok;
}

function toCells(stats: ZoneStats): readonly string[] {
  const { zone, asked, listed, lone, failed, meanMs, slowestMs, usual, shared } = stats;
  const share = asked === 0 ? "" : ` (${percent(listed / asked)})`;
  const together = Object.entries(shared)
    .toSorted(([, a], [, b]) => b - a)
    .map(([other, count]) => `${other} ${count}`);
  return [
    zone,
    String(asked),
    `${listed}${share}`,
    String(lone),
    String(failed),
    meanMs === null ? "" : String(Math.round(meanMs)),
    String(Math.round(slowestMs)),
    usual === null ? "unknown" : percent(usual),
    stats.demoted === null ? stats.standing : "demoted",
    together.join(", "),
  ];
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}
