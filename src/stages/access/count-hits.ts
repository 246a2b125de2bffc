import type { Metrics } from "../../base/metrics.ts";
import type { FactBus, TransactionRecord } from "../../pipeline/facts.ts";
import type { Shelf } from "../../reputation/shelf.ts";

/**
 * Counts an exception as used by every transaction in which it spoke, once. Returns the function that
 * ends it.
 */
export function countHits(facts: FactBus, shelf: Pick<Shelf, "hit">, metrics: Metrics): () => void {
  const uses = metrics.counter(
    "postern_exception_uses_total",
    "Transactions in which an exception spoke that an operator made by command",
  );
  return facts.listen((fact) => {
    if (fact.kind !== "decided") return;
    for (const key of entriesIn(fact.record)) {
      shelf.hit(key);
      uses.add();
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
