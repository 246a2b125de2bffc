import type { PolicySnapshot } from "../policy/snapshot.ts";
import type { Warning } from "./check-listeners.ts";

const SUBJECT = "routing.yaml dmarcReports";
/** A name of nobody: what takes it takes all domains. */
const ANYBODY = "postern-check.invalid";

/** Reports that are turned on and would tell nothing, or reach nobody. */
export function checkDmarcReports<Services>(
  policy: Pick<PolicySnapshot<Services>, "plans" | "routing">,
): readonly Warning[] {
  if (!policy.routing.dmarcReports?.enabled) return [];
  const { steps } = policy.plans.inbound.phases.data;
  const isChecked = steps.flat().some(({ name }) => name === "dmarc");
  const isRouted = policy.routing.route(ANYBODY) !== null;
  const faults = [
    ...(isChecked ? [] : ["there is nothing to report: stage `dmarc` is not in pipeline.yaml"]),
    ...(isRouted ? [] : ["no connector takes mail for all domains (*): few reports can be sent"]),
  ];
  return faults.map((message) => ({ subject: SUBJECT, message }));
}
