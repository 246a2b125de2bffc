import type { CommandPort } from "../control/control.ts";
import type { QueueRow } from "../control/queue-selection.ts";
import type { QueueCount } from "../control/queue-stats.ts";
import type { HistoryNote } from "../spool/spool-desk.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import type { SelectorWords } from "./queue-acts.ts";
import { type Column, renderTable } from "./table.ts";
import { formatBytes, formatTime } from "./time-words.ts";
import { shortList } from "./trace.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

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
export async function queueListCommand(
  context: CliContext,
  port: CommandPort,
  options: SelectorWords & { readonly limit: number },
): Promise<number> {
  const { out, err, json } = context;
  const rows = (await port.call("queue.list", options)) as readonly QueueRow[];
  const isAll = Object.keys(options).length === 1;
  if (json) for (const row of rows) out(toJsonLine(row));
  else if (rows.length === 0) out(isAll ? "the queue is empty" : "nothing in the queue fits");
  else for (const line of renderTable(COLUMNS, rows.map(toCells), context.width ?? null)) out(line);
  if (rows.length === options.limit)
    err(`${rows.length} shown, there may be more: narrow the list or raise --limit`);
  return EXIT.ok;
}

function toCells(row: QueueRow): readonly string[] {
  return [
    row.id,
    nextTry(row),
    String(row.attempts),
    shortList(recipientsOf(row)),
    row.state === "held" ? heldBecause(row) : row.reason,
    row.envelope.sender?.spoken ?? "<>",
    formatBytes(row.bytes),
    formatTime(row.receivedAt),
  ];
}

function nextTry({ state, dueAt }: QueueRow): string {
  if (state === "held") return "held";
  return state === "active" ? "now under way" : formatTime(dueAt);
}

function heldBecause({ held }: Pick<QueueRow, "held">): string {
  if (!held) return "held";
  return held.reason === "" ? `held by ${held.by}` : `held by ${held.by}: ${held.reason}`;
}

function recipientsOf({ envelope }: QueueRow): readonly string[] {
  return envelope.recipients.map(({ address }) => address.spoken);
}

type Story = QueueRow & { readonly history: readonly HistoryNote[]; readonly headers: string };

/** `postern queue show ID`: all about one entry. */
export async function queueShowCommand(
  { out, json }: CliContext,
  port: CommandPort,
  id: string,
): Promise<number> {
  const [story] = (await port.call("queue.show", { id })) as readonly [Story];
  if (json) out(toJsonLine(story));
  else for (const line of describe(story)) out(toVisible(line));
  return EXIT.ok;
}

function describe(story: Story): readonly string[] {
  const rows: readonly (readonly [string, string])[] = [
    ["entry", story.id],
    ["transaction", story.transactionId],
    ["state", stateOf(story)],
    ["next try", story.state === "due" ? `${nextTry(story)} UTC` : nextTry(story)],
    ["attempts", String(story.attempts)],
    ["reason", story.reason],
    ["received", `${formatTime(story.receivedAt)} UTC`],
    ["sender", story.envelope.sender?.spoken ?? "<>"],
    ["recipients", story.envelope.recipients.map(withNotify).join(", ")],
    ["size", formatBytes(story.bytes)],
    ["bounce", aboutBounces(story)],
  ];
  const headers = story.headers.split("\r\n").filter((line) => line !== "");
  return [
    ...rows.map(([name, text]) => `${name.padEnd(12)} ${text}`),
    "",
    "What was noted",
    ...(story.history.length > 0 ? toNotes(story.history) : ["  nothing yet"]),
    "",
    "Headers",
    ...headers.map((line) => `  ${line}`),
  ];
}

function stateOf(row: QueueRow): string {
  if (row.state === "due") return "waiting";
  if (row.state === "held") return heldBecause(row);
  return row.held ? `being delivered, then ${heldBecause(row)}` : "being delivered";
}

function withNotify({ address, notify }: QueueRow["envelope"]["recipients"][number]): string {
  return notify ? `${address.spoken} (NOTIFY=${notify.join(",")})` : address.spoken;
}

const TOLD = { failed: "a failure", delayed: "a delay", relayed: "a success" } as const;

function aboutBounces({ bounce, envelope, senderAuthenticated }: QueueRow): string {
  if (bounce) return `it is one itself, about ${TOLD[bounce]}: there is none about a bounce`;
  if (envelope.sender === null) return "may not be sent: the sender is null";
  return senderAuthenticated ? "may be sent" : "may not be sent: its sender may be forged";
}

/** Each note tells all that holds after it; what happened is what the one before did not tell. */
function toNotes(history: readonly HistoryNote[]): readonly string[] {
  return history.map((note, nth) => {
    const when = note.at === undefined ? "" : `${formatTime(note.at)}  `;
    return `  ${when}${whatHappened(note, history[nth - 1])}`;
  });
}

function whatHappened(note: HistoryNote, before: HistoryNote | undefined): string {
  const { attempts, reason, crashes = 0, held } = note;
  const hold = held && held.at !== before?.held?.at ? [heldBecause(note)] : [];
  const isAttempt = attempts > (before?.attempts ?? 0);
  const crash = crashes > 1 ? ` (${crashes} times in a row)` : "";
  const attempt = isAttempt ? [`attempt ${attempts}: ${reason}${crash}`] : [];
  const words = [...attempt, ...hold].join("; ");
  return words === "" ? "released" : words;
}

/** `postern queue stats`: entries by domain and age. */
export async function queueStatsCommand(context: CliContext, port: CommandPort): Promise<number> {
  const { out, json } = context;
  const [count] = (await port.call("queue.stats", {})) as readonly [QueueCount];
  if (json) out(toJsonLine(count));
  else for (const line of toStatsTable(count, context.width ?? null)) out(line);
  return EXIT.ok;
}

function toStatsTable(count: QueueCount, width: number | null): readonly string[] {
  const ages = count.ageMinutes;
  const titles = [...ages.map((end) => `<${end}`), `${ages.at(-1) ?? 0}+`];
  const columns: readonly Column[] = [
    { title: "to", flexible: true },
    { title: "total", align: "right" },
    { title: "held", align: "right" },
    ...titles.map((title) => ({ title, align: "right" }) as const),
    { title: "size", align: "right", optional: true },
  ];
  const toCells = (name: string, row: Omit<QueueCount, "ageMinutes" | "domains">) => [
    name,
    ...[row.entries, row.held, ...row.ages].map(String),
    formatBytes(row.bytes),
  ];
  const rows = [
    toCells("all", count),
    ...count.domains.map((row) => toCells(row.domain === "" ? "postmaster" : row.domain, row)),
  ];
  return ["entries by age in minutes", ...renderTable(columns, rows, width)];
}
