import type { CommandPort } from "../control/control.ts";
import type { ExceptionRow, MadeRow } from "../control/exception-rows.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { type Column, renderTable } from "./table.ts";
import { formatTime } from "./time-words.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

export interface ExceptionOrder {
  readonly list: ExceptionRow["list"];
  readonly fromMessage?: string;
  readonly client?: string;
  readonly sender?: Readonly<Record<string, readonly string[]>>;
  readonly scope?: readonly string[];
  readonly authenticated?: boolean;
  readonly reason: string;
  readonly lifeMs: number;
  readonly by: string;
}

/** `postern allow add`, `postern block add`. */
export async function exceptionAddCommand(
  { out, json }: CliContext,
  port: CommandPort,
  order: ExceptionOrder,
): Promise<number> {
  const [row] = (await port.call("exception.add", order)) as readonly [MadeRow];
  if (json) out(toJsonLine(row));
  else for (const line of describe(row, port.live)) out(toVisible(line));
  return EXIT.ok;
}

function describe(row: MadeRow, live: boolean): readonly string[] {
  const does = row.list === "block" ? "is refused" : `is let past ${scopeText(row)}`;
  const proof = row.authenticated || row.list === "block" ? "" : ", proven or not";
  const when = live ? "within a second" : "when the gateway starts";
  return [
    `${row.id}  ${row.whom} ${does}${proof}`,
    `${" ".repeat(row.id.length)}  in force ${when}, until ${formatTime(row.until)} UTC`,
  ];
}

function scopeText({ scope }: ExceptionRow): string {
  return scope === null ? "all spam checks" : scope.join(", ");
}

const COLUMNS: readonly Column[] = [
  { title: "id or place" },
  { title: "whom", flexible: true },
  { title: "checks", flexible: true },
  { title: "until (UTC)" },
  { title: "used", align: "right" },
  { title: "last (UTC)", optional: true },
  { title: "by", flexible: true, optional: true },
  { title: "reason", flexible: true, optional: true },
];

/** `postern allow list`, `postern block list`. */
export async function exceptionListCommand(
  { out, json, width = null }: CliContext,
  port: CommandPort,
  wanted: { readonly list: ExceptionRow["list"]; readonly unused: boolean },
): Promise<number> {
  const rows = (await port.call("exception.list", wanted)) as readonly ExceptionRow[];
  if (json) for (const row of rows) out(toJsonLine(row));
  else if (rows.length === 0) out(wanted.unused ? "none is unused" : "there are none");
  else for (const line of renderTable(COLUMNS, rows.map(toCells), width)) out(line);
  return EXIT.ok;
}

function toCells(row: ExceptionRow): readonly string[] {
  const { list, whom, authenticated, until, hits, lastHit, reason } = row;
  const isMade = row.source === "command";
  return [
    isMade ? row.id : `${row.file}:${row.line}`,
    authenticated ? whom : `${whom} (unproven)`,
    list === "block" ? "refused" : scopeText(row),
    until === null ? "no end" : formatTime(until),
    String(hits),
    lastHit === null ? "never" : formatTime(lastHit),
    isMade ? row.by : "",
    reason,
  ];
}

/** `postern allow remove`, `postern block remove`. */
export async function exceptionRemoveCommand(
  { out, json }: CliContext,
  port: CommandPort,
  order: { readonly list: ExceptionRow["list"]; readonly id: string; readonly by: string },
): Promise<number> {
  const [row] = (await port.call("exception.remove", order)) as readonly [MadeRow];
  const used = row.hits === 1 ? "once" : `${row.hits} times`;
  out(json ? toJsonLine(row) : toVisible(`${row.id}  ${row.whom}: removed, was used ${used}`));
  return EXIT.ok;
}
