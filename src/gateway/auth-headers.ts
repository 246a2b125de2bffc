import type { DmarcCheck } from "../auth/dmarc/check-dmarc.ts";
import { judgedEvidence } from "../auth/sender-identities.ts";
import type { StageReport } from "../pipeline/report.ts";
import type { ArcEvidence } from "../stages/arc.ts";
import type { DkimEvidence } from "../stages/dkim.ts";
import type { SenderIdEvidence } from "../stages/sender-id.ts";
import type { SpfEvidence } from "../stages/spf.ts";
import { toPrintable, toQuotedString } from "./header-values.ts";

/** RFC 8601 value for our own Authentication-Results; `none` when nothing was checked. */
export function authenticationResults(authservId: string, reports: readonly StageReport[]): string {
  const results = [
    ...spfResult(reports),
    ...senderIdResults(reports),
    ...dkimResults(reports),
    ...arcResult(reports),
    ...dmarcResult(reports),
  ];
  return [authservId, ...(results.length > 0 ? results : ["none"])].join("; ");
}

function spfResult(reports: readonly StageReport[]): readonly string[] {
  const spf = evidenceOf<SpfEvidence>(reports, "spf");
  if (!spf) return [];
  // RFC 8601 2.7.2: one a check.
  return [spf, spf.heloCheck ?? []].flat().map(({ result, identity, domain }) => {
    const property = identity === "helo" ? "smtp.helo" : "smtp.mailfrom";
    return `spf=${result} ${property}=${quoted(domain)}`;
  });
}

/** RFC 7601 2.7.2, with the field that held the responsible address; RFC 8601 has it as historic. */
function senderIdResults(reports: readonly StageReport[]): readonly string[] {
  const senderId = evidenceOf<SenderIdEvidence>(reports, "sender-id");
  return (senderId?.checks ?? []).map(({ result, fault, header, domain }) => {
    const property = header === null ? "smtp.mailfrom" : `header.${header}`;
    const about = domain === "" ? "" : ` ${property}=${quoted(domain)}`;
    return `sender-id=${result}${because(fault)}${about}`;
  });
}

/** RFC 8617 6 and 10.2: the last sealer answers for the chain, and who sent it to us is told. */
function arcResult(reports: readonly StageReport[]): readonly string[] {
  const arc = evidenceOf<ArcEvidence>(reports, "arc");
  if (!arc) return [];
  const sealer = arc.sets.at(-1)?.domain;
  const by = sealer === undefined ? "" : ` header.d=${quoted(sealer)}`;
  const client = evidenceOf<SpfEvidence>(reports, "spf")?.ip;
  const from = client === undefined ? "" : ` smtp.remote-ip=${quoted(client)}`;
  return [`arc=${arc.result}${because(arc.reason)}${by}${from}`];
}

/** RFC 8601 2.7.1, one a signature: who reads it must know which domain passed. */
function dkimResults(reports: readonly StageReport[]): readonly string[] {
  const dkim = evidenceOf<DkimEvidence>(reports, "dkim");
  if (!dkim) return [];
  if (dkim.signatures.length === 0) return ["dkim=none"];
  return dkim.signatures.map(({ result, reason, domain, identity, selector, b }) => {
    const properties = { d: domain, i: identity, s: selector, b };
    const said = Object.entries(properties).flatMap(([name, value]) =>
      value === "" ? [] : [` header.${name}=${quoted(value)}`],
    );
    return `dkim=${result}${because(reason)}${said.join("")}`;
  });
}

/** RFC 9989 with the property `policy.dmarc`: what the owner of the domain wants done. */
function dmarcResult(reports: readonly StageReport[]): readonly string[] {
  const dmarc = evidenceOf<DmarcCheck>(reports, "dmarc");
  if (!dmarc) return [];
  const { result, reason, domain, policy } = dmarc;
  const from = domain === null ? "" : ` header.from=${quoted(domain)}`;
  const wanted = policy === null ? "" : ` policy.dmarc=${policy.effective}`;
  return [`dmarc=${result}${because(reason)}${from}${wanted}`];
}

function because(reason: string | null): string {
  return reason === null ? "" : ` reason=${quoted(reason)}`;
}

function evidenceOf<Evidence>(reports: readonly StageReport[], stage: string): Evidence | null {
  return judgedEvidence(reports, stage) as unknown as Evidence | null;
}

/** What is both a token (RFC 2045 5.1) and a dot-atom (RFC 5322 3.2.3). */
const BARE = /^[A-Za-z0-9!#$%&'*+^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+^_`{|}~-]+)*$/;

/**
 * A token of RFC 2045 5.1 as it is, anything else as a quoted string: a sender cannot add a result of
 * his own.
 */
function quoted(text: string): string {
  const clean = toPrintable(text);
  return BARE.test(clean) ? clean : toQuotedString(clean);
}
