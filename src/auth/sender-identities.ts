import type { Json } from "../base/json.ts";
import { parseDomainName } from "../mail/domain-name.ts";
import type { DkimCheck } from "./dkim/check-dkim.ts";
import type { SpfCheck } from "./spf/check-spf.ts";

/** A domain that a check vouched for, or tried to. */
export type SenderIdentity = {
  readonly method: "spf" | "dkim";
  readonly domain: string;
  readonly result: "pass" | "temperror" | "other";
};

/** What a stage report must have to be read here; the report of the pipeline has it. */
export interface EvidenceReport {
  readonly stage: string;
  readonly outcome: string;
  readonly evidence: Json;
}

/** Of whose mail SPF and DKIM spoke, in the reports of the stages of these names. */
export function senderIdentities(reports: readonly EvidenceReport[]): readonly SenderIdentity[] {
  return [...spfIdentities(reports), ...dkimIdentities(reports)];
}

export function passesFor(
  identities: readonly SenderIdentity[],
  isFor: (domain: string) => boolean,
): boolean {
  return identities.some(({ result, domain }) => result === "pass" && isFor(domain));
}

export function judgedEvidence(reports: readonly EvidenceReport[], stage: string): Json {
  return (
    reports.find((report) => report.stage === stage && report.outcome === "judged")?.evidence ??
    null
  );
}

/** A HELO name was checked for the null sender alone (RFC 7208 2.4), and speaks for it. */
function spfIdentities(reports: readonly EvidenceReport[]): readonly SenderIdentity[] {
  const check = judgedEvidence(reports, "spf") as unknown as SpfCheck | null;
  const domain = check && parseDomainName(check.domain.replace(/\.$/, ""), { utf8: false });
  if (!check || !domain) return [];
  return [{ method: "spf", domain, result: toResult(check.result) }];
}

function dkimIdentities(reports: readonly EvidenceReport[]): readonly SenderIdentity[] {
  const check = judgedEvidence(reports, "dkim") as unknown as DkimCheck | null;
  return (check?.signatures ?? [])
    .filter(({ domain }) => domain !== "")
    .map(({ domain, result }) => ({ method: "dkim", domain, result: toResult(result) }));
}

function toResult(result: string): SenderIdentity["result"] {
  return result === "pass" || result === "temperror" ? result : "other";
}
