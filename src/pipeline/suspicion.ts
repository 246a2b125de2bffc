import type { StageReport } from "./report.ts";
import type { House } from "./stage.ts";
import type { Finding } from "./verdict.ts";

/**
 * The score so far, as the decision will add it up: of stages in force, each symbol once. For stages
 * that put only the suspicious to trouble.
 */
export function suspicionOf(
  reports: readonly StageReport[],
  { scoreOf }: Pick<House, "scoreOf">,
): number {
  const bySymbol = new Map<string, Finding>();
  for (const { mode, outcome, verdict } of reports) {
    if (mode === "observe" || outcome === "skipped") continue;
    for (const finding of verdict.findings)
      if (!bySymbol.has(finding.symbol)) bySymbol.set(finding.symbol, finding);
  }
  const sum = [...bySymbol.values()].reduce((total, finding) => total + scoreOf(finding), 0);
  return Math.round(sum * 1000) / 1000;
}
