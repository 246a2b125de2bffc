import type { Edit } from "../pipeline/edit.ts";
import { PHASES, type StageReport } from "../pipeline/report.ts";
import { isRefusing, type Verdict } from "../pipeline/verdict.ts";
import { outlineEvidence } from "./evidence-outline.ts";
import { sayEvidence } from "./evidence-sentences.ts";
import { formatSpan } from "./time-words.ts";

const INDENT = "    ";
/** A message may have a thousand addresses rewritten; `--json` gives all. */
const MAX_EDITS = 20;

/** Each phase in the order of a session, each stage in plan order, with what it saw and said. */
export function describeStages(reports: readonly StageReport[]): readonly string[] {
  const phases = new Set<string>([...PHASES, ...reports.map(({ phase }) => phase)]);
  return [...phases].flatMap((phase) => {
    const own = reports.filter((report) => report.phase === phase);
    return own.length === 0 ? [] : [`  ${phase}`, ...own.flatMap(describeStage)];
  });
}

function describeStage(report: StageReport): readonly string[] {
  const { stage, recipient, outcome, mode, error, evidence, verdict } = report;
  const whom = recipient === undefined ? "" : ` for <${recipient}>`;
  const head = `${INDENT}${stage}${whom}: ${outcomeOf(report)}`;
  const observed = mode === "observe" ? [`(only observed: the verdict counted for nothing)`] : [];
  const seen =
    outcome === "judged" ? (sayEvidence(stage, evidence) ?? outlineEvidence(evidence)) : [];
  const broken = error === undefined ? [] : [`error: ${error}`];
  const said = [...describeFindings(verdict), ...describeEdits(verdict)];
  const lines = [...observed, ...broken, ...seen, ...said];
  return [head, ...lines.map((line) => `${INDENT}  ${line}`)];
}

function outcomeOf({ outcome, verdict, ms }: StageReport): string {
  const took = `(${formatSpan(ms)})`;
  if (outcome === "skipped") return "skipped, because an earlier stage trusts the client or sender";
  if (outcome === "judged") return `${describeVerdict(verdict)} ${took}`;
  const how = outcome === "timeout" ? "did not answer in time" : "failed";
  return `${how}, which counts as ${describeVerdict(verdict)} ${took}`;
}

function describeVerdict(verdict: Verdict): string {
  if (isRefusing(verdict)) return `${verdict.kind}, cause ${verdict.cause}`;
  if (verdict.kind === "unknown") return `unknown, missing ${verdict.missing.join(", ")}`;
  if (verdict.kind === "trust" && verdict.scope) return `trust in ${verdict.scope.join(", ")}`;
  return verdict.kind;
}

function describeFindings({ findings }: Verdict): readonly string[] {
  return findings.map(({ symbol, score, detail }) => {
    const points = score > 0 ? `+${score}` : String(score);
    return `${symbol} ${points}${detail ? `: ${detail}` : ""}`;
  });
}

/** What it wanted to be changed. */
function describeEdits({ edits = [] }: Verdict): readonly string[] {
  const shown = edits.slice(0, MAX_EDITS).map(describeEdit);
  const more = edits.length - shown.length;
  return more > 0 ? [...shown, `and ${more} more edits`] : shown;
}

function describeEdit(edit: Edit): string {
  switch (edit.kind) {
    case "add-header":
      return `adds the header ${edit.name}: ${edit.value}`;
    case "remove-header":
      return `removes the header ${edit.name}`;
    case "replace-in-header":
      return `in ${edit.name}, at octet ${edit.at}: ${edit.old} → ${edit.text}`;
    case "set-sender":
      return `the next server is told the sender <${edit.sender.spoken}>`;
    case "replace-recipient":
      return `the mail goes to <${edit.address.spoken}>`;
    case "add-recipient":
      return `a blind copy goes to <${edit.address.spoken}>`;
    case "leave-unsigned":
      return "it is not to be signed";
    default:
      return `an edit of another version: ${JSON.stringify(edit)}`;
  }
}
