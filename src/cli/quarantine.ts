import type { CommandPort } from "../control/control.ts";
import { returnAddress, spokenRecipient } from "../mail/envelope.ts";
import type { Hold } from "../quarantine/quarantine.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { type Column, renderTable } from "./table.ts";
import { formatBytes, formatTime } from "./time-words.ts";
import { shortList } from "./trace.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

export interface QuarantineListOptions {
  readonly recipient?: string;
  readonly sender?: string;
  readonly cause?: string;
  /** Absent: all. */
  readonly state?: Hold["state"];
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly limit: number;
}

export interface ReleaseOptions {
  readonly id: string;
  readonly to?: string;
  readonly force: boolean;
  readonly by: string;
}

const COLUMNS: readonly Column[] = [
  { title: "id" },
  { title: "held (UTC)" },
  { title: "cause", flexible: true },
  { title: "from", flexible: true },
  { title: "to", flexible: true },
  { title: "subject", flexible: true, optional: true },
  { title: "size", align: "right", optional: true },
  { title: "state", optional: true },
];

export async function quarantineListCommand(
  context: CliContext,
  port: CommandPort,
  options: QuarantineListOptions,
): Promise<number> {
  const { out, err, json } = context;
  const holds = (await port.call("quarantine.list", options)) as readonly Hold[];
  if (json) for (const hold of holds) out(toJsonLine(hold));
  else if (holds.length === 0) out("nothing is held");
  else
    for (const line of renderTable(COLUMNS, holds.map(toCells), context.width ?? null)) out(line);
  if (holds.length === options.limit)
    err(`${holds.length} shown, there may be more: narrow the list or raise --limit`);
  return EXIT.ok;
}

function toCells(hold: Hold): readonly string[] {
  return [
    hold.id,
    formatTime(hold.heldAt),
    hold.cause,
    returnAddress(hold.envelope)?.spoken ?? "<>",
    shortList(recipientsOf(hold)),
    hold.subject ?? "",
    formatBytes(hold.bytes),
    hold.state,
  ];
}

export async function quarantineShowCommand(
  { out, json }: CliContext,
  port: CommandPort,
  id: string,
): Promise<number> {
  const [hold] = (await port.call("quarantine.show", { id })) as readonly [Hold];
  if (json) out(toJsonLine(hold));
  else for (const [name, text] of describe(hold)) out(`${name.padEnd(12)} ${toVisible(text)}`);
  return EXIT.ok;
}

function describe(hold: Hold): readonly (readonly [string, string])[] {
  const state = hold.releasedBy === null ? hold.state : `${hold.state} by ${hold.releasedBy}`;
  return [
    ["id", hold.id],
    ["transaction", hold.transactionId],
    ["state", state],
    ["cause", `${hold.cause} (${hold.detail})`],
    ["score", String(hold.score)],
    ["held", `${formatTime(hold.heldAt)} UTC`],
    ["kept until", `${formatTime(hold.expiresAt)} UTC`],
    ["client", hold.clientIp],
    ["sender", returnAddress(hold.envelope)?.spoken ?? "<>"],
    ["recipients", recipientsOf(hold).join(", ")],
    ["from", hold.from ?? ""],
    ["subject", hold.subject ?? ""],
    ["size", formatBytes(hold.bytes)],
    ["sha256", hold.sha256],
  ];
}

export async function quarantineReleaseCommand(
  { out, json }: CliContext,
  port: CommandPort,
  options: ReleaseOptions,
): Promise<number> {
  const [answer] = (await port.call("quarantine.release", options)) as readonly [
    { readonly id: string; readonly recipients: readonly string[] },
  ];
  const deliversNow = port.live;
  if (json) out(toJsonLine({ ...answer, live: deliversNow }));
  else {
    const when = deliversNow ? "on its way to the hub" : "delivered when the gateway starts";
    out(toVisible(`released ${answer.id} for ${answer.recipients.join(", ")}: ${when}`));
  }
  return EXIT.ok;
}

export async function quarantineDeleteCommand(
  { out, json }: CliContext,
  port: CommandPort,
  options: { readonly id: string; readonly by: string },
): Promise<number> {
  const [answer] = (await port.call("quarantine.delete", options)) as readonly [{ id: string }];
  out(json ? toJsonLine(answer) : toVisible(`deleted ${answer.id}`));
  return EXIT.ok;
}

export async function quarantineStatsCommand(
  { out, json }: CliContext,
  port: CommandPort,
): Promise<number> {
  const [stats] = (await port.call("quarantine.stats", {})) as readonly [
    { readonly held: number; readonly bytes: number },
  ];
  out(json ? toJsonLine(stats) : `${stats.held} held, ${formatBytes(stats.bytes)}`);
  return EXIT.ok;
}

/** As they were spoken, whoever was put in their place. */
function recipientsOf(hold: Hold): readonly string[] {
  return hold.envelope.recipients.map((recipient) => spokenRecipient(recipient).spoken);
}
