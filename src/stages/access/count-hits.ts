import type { FactBus, TransactionRecord } from "../../pipeline/facts.ts";
import type { Shelf } from "../../reputation/shelf.ts";

/**
 * Counts an exception as used by every transaction in which it spoke, once. Returns the function that
 * ends it.
 */
export function countHits(facts: FactBus, shelf: Pick<Shelf, "hit">): () => void {
  return facts.listen((fact) => {
    if (fact.kind === "decided") for (const key of entriesIn(fact.record)) shelf.hit(key);
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
