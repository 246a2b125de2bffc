import type { StageReport } from "./report.ts";

/** Who gave a message to the trusted relay that brings it: the client that is judged. */
export type Origin = {
  readonly ip: string;
  /** Null: no server on the way tells what he called himself. */
  readonly helo: string | null;
};

/** The stage that finds it. */
export const TRUSTED_RELAY_STAGE = "trusted-relay";

/** What that stage saw. Plain JSON. */
export type RelayEvidence = {
  /** As access.yaml names it. */
  readonly relay: string;
  /** Received fields from the top that trusted relays wrote. */
  readonly hops: readonly {
    readonly by: string;
    readonly from: string | null;
    readonly helo: string | null;
  }[];
  readonly origin: Origin | null;
  /** Why nobody knows the origin; null when it is known. */
  readonly problem: string | null;
};

/** Undefined: no relay brought it, the client is who connected. Null: nobody knows. */
export function originOf(reports: readonly StageReport[]): Origin | null | undefined {
  const report = reports.find(({ stage }) => stage === TRUSTED_RELAY_STAGE);
  if (!report) return undefined;
  return report.outcome === "judged" ? (report.evidence as RelayEvidence).origin : null;
}
