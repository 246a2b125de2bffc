import type { CommandPort } from "../control/control.ts";
import type { SpoolItem } from "../spool/spool.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { type Column, renderTable } from "./table.ts";
import { formatBytes, formatTime } from "./time-words.ts";
import { shortList } from "./trace.ts";
import { toJsonLine } from "./visible-text.ts";

const COLUMNS: readonly Column[] = [
  { title: "id" },
  { title: "next try (UTC)" },
  { title: "tries", align: "right" },
  { title: "to", flexible: true },
  { title: "reason", flexible: true },
  { title: "from", flexible: true, optional: true },
  { title: "size", align: "right", optional: true },
  { title: "received (UTC)", optional: true },
];

/** `postern queue list`: mail that was promised and is not delivered yet. */
export async function queueListCommand(context: CliContext, port: CommandPort): Promise<number> {
  const { out, json } = context;
  const items = (await port.call("queue.list", {})) as readonly SpoolItem[];
  if (json) for (const item of items) out(toJsonLine(item));
  else if (items.length === 0) out("the queue is empty");
  else
    for (const line of renderTable(COLUMNS, items.map(toCells), context.width ?? null)) out(line);
  return EXIT.ok;
}

function toCells(item: SpoolItem): readonly string[] {
  return [
    item.transactionId,
    formatTime(item.dueAt),
    String(item.attempts),
    shortList(item.envelope.recipients.map(({ address }) => address.spoken)),
    item.reason,
    item.envelope.sender?.spoken ?? "<>",
    formatBytes(item.bytes),
    formatTime(item.receivedAt),
  ];
}
