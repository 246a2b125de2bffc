import type { Cause } from "../../pipeline/cause.ts";
import type { Finding, Verdict } from "../../pipeline/verdict.ts";
import type { AntivirusAction, AntivirusOptions } from "./antivirus-options.ts";
import { classifyDetection, type DetectionClass } from "./detection-class.ts";
import type { MessageScan } from "./scan-message.ts";
import type { JobOutcome, ScanResult } from "./scanner.ts";

/** What the stage stores. `off` only when the settings say `clamd: none`. */
export type AntivirusEvidence =
  | { readonly kind: "off" }
  | (Omit<JobOutcome<MessageScan>, "answer"> & {
      readonly kind: "scanned";
      readonly scan: MessageScan | null;
      readonly ms: number;
    });

interface Judgement {
  readonly action: AntivirusAction;
  readonly cause: Cause;
  readonly finding: Finding;
  readonly name: string | null;
}

const SEVERITY = { stamp: 0, quarantine: 1, defer: 2, reject: 3 } as const;

/** Folds all views of a message: the severest action decides, every class leaves its symbol. */
export function judgeScan(evidence: AntivirusEvidence, options: AntivirusOptions): Verdict {
  if (evidence.kind === "off") {
    const detail = "the settings say clamd: none";
    return { kind: "neutral", findings: [{ symbol: "ANTIVIRUS_OFF", score: 0, detail }] };
  }
  const judgements = judgeViews(evidence, options);
  const findings = distinct(judgements.map(({ finding }) => finding));
  const [first] = judgements.toSorted(bySeverity);
  if (first && first.action !== "stamp") {
    const about = first.name === null ? {} : { about: { name: first.name } };
    return { kind: first.action, cause: first.cause, ...about, findings };
  }
  // Only a replay gets here: the policy of then did not ask for the parts.
  if (options.scanParts && evidence.scan?.parts === null)
    return { kind: "unknown", missing: ["scan of the decoded parts"], findings };
  return { kind: "neutral", findings };
}

/** Among equals malware: held as unscannable it would be released without `--force`. */
function bySeverity(a: Judgement, b: Judgement): number {
  const isMalware = ({ cause }: Judgement) => Number(cause === "malware");
  return SEVERITY[b.action] - SEVERITY[a.action] || isMalware(b) - isMalware(a);
}

function judgeViews(
  { scan, result }: Extract<AntivirusEvidence, { kind: "scanned" }>,
  options: AntivirusOptions,
): readonly Judgement[] {
  // The result stands beside the views: without a scan it says why there is none.
  const views = [
    { where: "message", result },
    ...(scan === null ? [] : [{ where: "raw message", result: scan.raw }]),
    ...(scan?.parts ?? []).map((part) => ({ where: `part ${part.path}`, result: part.result })),
  ];
  const judged = views.flatMap((view) => judgeView(view.result, view.where, options) ?? []);
  if (!scan || scan.limits.length === 0) return judged;
  return [...judged, judgeDetection("limits", scan.limits.join(", "), options)];
}

function judgeView(result: ScanResult, where: string, options: AntivirusOptions): Judgement | null {
  if (result.kind === "clean") return null;
  if (result.kind === "infected") {
    const { name } = result;
    const judgement = judgeDetection(classifyDetection(name), `${name} in ${where}`, options);
    return { ...judgement, name };
  }
  const finding = {
    symbol: result.class === "too-big" ? "ANTIVIRUS_OVERSIZE" : "ANTIVIRUS_NOT_SCANNED",
    score: 0,
    detail: `${where}: ${result.class}: ${result.reason}`,
  };
  if (result.class === "too-big") {
    const cause = options.onOversize === "defer" ? "check-unavailable" : "unscannable";
    return { action: options.onOversize, cause, finding, name: null };
  }
  return { action: options.onNotScanned, cause: "check-unavailable", finding, name: null };
}

interface ClassRule {
  readonly option: Exclude<keyof AntivirusOptions, "scanParts" | "maxBytes">;
  readonly cause: Cause;
  readonly symbol: string;
  readonly score: number;
}

const RULES: { readonly [D in DetectionClass]: ClassRule } = {
  malware: { option: "onInfected", cause: "malware", symbol: "ANTIVIRUS_MALWARE", score: 0 },
  macro: { option: "onMacro", cause: "malware", symbol: "ANTIVIRUS_MACRO", score: 1 },
  encrypted: {
    option: "onEncrypted",
    cause: "unscannable",
    symbol: "ANTIVIRUS_ENCRYPTED",
    score: 0,
  },
  limits: { option: "onLimits", cause: "unscannable", symbol: "ANTIVIRUS_LIMITS", score: 0 },
  phishing: { option: "onPhishing", cause: "malware", symbol: "ANTIVIRUS_PHISHING", score: 3 },
  pua: { option: "onPua", cause: "malware", symbol: "ANTIVIRUS_PUA", score: 1 },
};

function judgeDetection(
  detected: DetectionClass,
  detail: string,
  options: AntivirusOptions,
): Judgement {
  const { option, cause, symbol, score } = RULES[detected];
  const action = options[option];
  const finding = { symbol, score, detail };
  return { action, cause: action === "defer" ? "check-unavailable" : cause, finding, name: null };
}

function distinct(findings: readonly Finding[]): readonly Finding[] {
  const first = new Map<string, Finding>();
  for (const finding of findings) {
    if (!first.has(finding.symbol)) first.set(finding.symbol, finding);
  }
  return [...first.values()];
}
