import type { CommandPort } from "../control/control.ts";
import type { SubjectAnswer } from "../control/reputation-commands.ts";
import { COUNTERS } from "../reputation/reputation.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { type Column, renderTable } from "./table.ts";
import { formatTime } from "./time-words.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

/** `postern reputation show SUBJECT`: 1 when nothing is known of it. */
export async function reputationShowCommand(
  { out, json }: CliContext,
  port: CommandPort,
  subject: string,
): Promise<number> {
  const answers = (await port.call("reputation.show", { subject })) as readonly SubjectAnswer[];
  if (json) for (const answer of answers) out(toJsonLine(answer));
  else
    for (const [i, answer] of answers.entries())
      for (const line of [...(i > 0 ? [""] : []), ...describe(answer)]) out(toVisible(line));
  return answers.some(isKnown) ? EXIT.ok : EXIT.negative;
}

function isKnown({ record, block }: SubjectAnswer): boolean {
  return record !== null || block !== null;
}

function describe({ subject, record, block, srl, history }: SubjectAnswer): readonly string[] {
  const lines = [subject];
  if (block)
    lines.push(
      `  blocked until ${formatTime(block.until)} UTC by ${block.by}, since ${formatTime(block.since)}`,
      `    ${block.reason}`,
    );
  if (srl) lines.push(...describeSrlTerms(srl));
  if (!record) lines.push("  no mail is remembered");
  else {
    const seen = COUNTERS.flatMap((name) => {
      const count = Math.round(record.counts[name] * 10) / 10;
      return count > 0 ? [`${COUNTER_WORDS[name]} ${count}`] : [];
    });
    lines.push(
      `  first seen ${formatTime(record.firstSeen)} UTC, last ${formatTime(record.lastSeen)} UTC`,
      `  counted, each halved in a week: ${seen.join(", ") || "nothing"}`,
    );
    if (record.helos.length > 0) lines.push(`  said at HELO: ${record.helos.join(", ")}`);
  }
  const past = history.map(
    ({ at, id, sender, action, cause }) =>
      `    ${formatTime(at)}  ${id}  ${action}${cause ? ` (${cause})` : ""}  <${sender}>`,
  );
  return past.length > 0 ? [...lines, "  its last mail", ...past] : lines;
}

const COUNTER_WORDS: { readonly [C in (typeof COUNTERS)[number]]: string } = {
  ham: "good",
  spam: "bad",
  virus: "malware",
  recipient: "recipients",
  unknownRecipient: "unknown recipients",
  abuse: "abuse",
  authPass: "authenticated",
  authFail: "not authentic",
  released: "released",
};

function describeSrlTerms(srl: NonNullable<SubjectAnswer["srl"]>): readonly string[] {
  const held = srl.held === null ? "" : `, its terms make ${srl.sum}: ${srl.held}`;
  const terms = srl.terms.map(
    ({ term, points, why }) => `    ${points.toFixed(2).padStart(6)}  ${term}: ${why}`,
  );
  return [`  SRL ${srl.level} of 9${held}`, ...terms];
}

export async function reputationResetCommand(
  { out, json }: CliContext,
  port: CommandPort,
  order: { readonly subject: string; readonly by: string },
): Promise<number> {
  const answers = (await port.call("reputation.reset", order)) as readonly {
    readonly subject: string;
    readonly forgotten: boolean;
    readonly unblocked: boolean;
  }[];
  for (const answer of answers) {
    const { subject, forgotten, unblocked } = answer;
    const did = [...(forgotten ? ["forgotten"] : []), ...(unblocked ? ["unblocked"] : [])];
    out(json ? toJsonLine(answer) : toVisible(`${subject}  ${did.join(", ") || "was not known"}`));
  }
  return answers.some((one) => one.forgotten || one.unblocked) ? EXIT.ok : EXIT.negative;
}

const BLOCK_COLUMNS: readonly Column[] = [
  { title: "subject" },
  { title: "until (UTC)" },
  { title: "since (UTC)", optional: true },
  { title: "by" },
  { title: "reason", flexible: true },
];

export async function reputationBlocksCommand(
  { out, json, width = null }: CliContext,
  port: CommandPort,
): Promise<number> {
  const blocks = (await port.call("reputation.blocks", {})) as readonly {
    readonly subject: string;
    readonly until: number;
    readonly since: number;
    readonly by: string;
    readonly reason: string;
  }[];
  if (json) for (const block of blocks) out(toJsonLine(block));
  else if (blocks.length === 0) out("nobody is blocked");
  else {
    const rows = blocks.map(({ subject, until, since, by, reason }) => [
      subject,
      formatTime(until),
      formatTime(since),
      by,
      reason,
    ]);
    for (const line of renderTable(BLOCK_COLUMNS, rows, width)) out(line);
  }
  return EXIT.ok;
}

export async function reputationUnlearnCommand(
  { out, json }: CliContext,
  port: CommandPort,
  order: { readonly id: string; readonly by: string },
): Promise<number> {
  const [answer] = (await port.call("reputation.unlearn", order)) as readonly [
    { readonly id: string; readonly client: string; readonly unblocked: boolean },
  ];
  const also = answer.unblocked ? `; ${answer.client} is blocked no longer` : "";
  out(json ? toJsonLine(answer) : toVisible(`${answer.id} counts as wanted${also}`));
  return EXIT.ok;
}
