import type { CommandPort } from "../control/control.ts";
import type { TraceRow } from "../tracking/tracking.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { type Column, renderTable } from "./table.ts";
import { formatTime } from "./time-words.ts";
import { toJsonLine } from "./visible-text.ts";

export interface TraceOptions {
  readonly from?: string;
  readonly to?: string;
  readonly subject?: string;
  readonly ip?: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly limit: number;
}

const COLUMNS: readonly Column[] = [
  { title: "time (UTC)" },
  { title: "id" },
  { title: "result", flexible: true },
  { title: "from", flexible: true },
  { title: "to", flexible: true },
  { title: "subject", flexible: true, optional: true },
  { title: "client", optional: true },
];

/** `postern trace`: transactions that match, newest first. Nothing found is a negative answer. */
export async function traceCommand(
  context: CliContext,
  port: CommandPort,
  options: TraceOptions,
): Promise<number> {
  const { out, err, json } = context;
  const rows = (await port.call("trace", options)) as readonly TraceRow[];
  if (json) for (const row of rows) out(toJsonLine(row));
  else if (rows.length > 0)
    for (const line of renderTable(COLUMNS, rows.map(toCells), context.width ?? null)) out(line);
  if (rows.length === 0) {
    if (!json) err("nothing found");
    return EXIT.negative;
  }
  if (rows.length === options.limit)
    err(`${rows.length} shown, there may be more: narrow the search or raise --limit`);
  return EXIT.ok;
}

function toCells(row: TraceRow): readonly string[] {
  const { at, id, action, cause, sender, recipients, subject, clientIp, originIp } = row;
  const result = cause === null ? action : `${action}: ${cause}`;
  return [
    formatTime(at),
    id,
    result,
    sender || "<>",
    shortList(recipients),
    subject ?? "",
    originIp === undefined ? clientIp : `${originIp} via ${clientIp}`,
  ];
}

/** The first and how many more there are. */
export function shortList(addresses: readonly string[]): string {
  const [first = "", ...rest] = addresses;
  return rest.length === 0 ? first : `${first} +${rest.length}`;
}
