import type { DkimCheck } from "../auth/dkim/check-dkim.ts";
import type { DmarcCheck } from "../auth/dmarc/check-dmarc.ts";
import { type EvidenceReport, judgedEvidence } from "../auth/sender-identities.ts";
import type { SpfCheck } from "../auth/spf/check-spf.ts";
import type { Metrics } from "../base/metrics.ts";

/** Counts results of SPF, DKIM (one a signature) and DMARC. Labels are our own words. */
export function countSenderAuth(metrics: Metrics): (reports: readonly EvidenceReport[]) => void {
  const results = metrics.counter(
    "postern_sender_auth_results_total",
    "Results of SPF, DKIM (one a signature) and DMARC",
    ["method", "result"],
  );
  return (reports) => {
    const spf = judgedEvidence(reports, "spf") as unknown as SpfCheck | null;
    const dkim = judgedEvidence(reports, "dkim") as unknown as DkimCheck | null;
    const dmarc = judgedEvidence(reports, "dmarc") as unknown as DmarcCheck | null;
    if (spf) results.add({ method: "spf", result: spf.result });
    if (dkim?.signatures.length === 0) results.add({ method: "dkim", result: "none" });
    for (const { result } of dkim?.signatures ?? []) results.add({ method: "dkim", result });
    if (dmarc) results.add({ method: "dmarc", result: dmarc.result });
  };
}
