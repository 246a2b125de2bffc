import type { Clock } from "../../base/clock.ts";
import type { Metrics } from "../../base/metrics.ts";
import type { FactBus, TransactionRecord } from "../../pipeline/facts.ts";
import type { Reputation } from "../../reputation/reputation.ts";
import { isFileEntryKey } from "./entry-key.ts";
import { createFileUses } from "./file-uses.ts";

export interface HitCounting {
  readonly facts: FactBus;
  readonly reputation: {
    readonly exceptions: Pick<Reputation["exceptions"], "hit">;
    readonly fileEntries: Pick<Reputation["fileEntries"], "put" | "hit">;
  };
  readonly metrics: Metrics;
  readonly clock: Pick<Clock, "now">;
}

/**
 * Counts an exception as used by every transaction in which it spoke, once. Returns the function that
 * ends it.
 */
export function countHits({ facts, reputation, metrics, clock }: HitCounting): () => void {
  const uses = metrics.counter(
    "postern_exception_uses_total",
    "Transactions in which an exception spoke, made by command or standing in access.yaml",
    ["source"],
  );
  const hitFile = createFileUses(reputation.fileEntries, clock);
  return facts.listen((fact) => {
    if (fact.kind !== "decided") return;
    for (const key of entriesIn(fact.record)) {
      const isOfFile = isFileEntryKey(key);
      if (isOfFile) hitFile(key);
      else reputation.exceptions.hit(key);
      uses.add({ source: isOfFile ? "file" : "command" });
    }
  });
}

function entriesIn({ reports }: TransactionRecord): ReadonlySet<string> {
  const inForce = reports.filter(
    ({ mode, verdict }) =>
      mode === "enforce" && (verdict.kind === "trust" || verdict.kind === "reject"),
  );
  const findings = inForce.flatMap(({ verdict }) => verdict.findings);
  return new Set(findings.flatMap(({ entry }) => (entry === undefined ? [] : [entry])));
}
