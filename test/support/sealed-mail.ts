import type { ArcEvidence } from "../../src/stages/arc.ts";
import { type SealOptions, sealMessage } from "./arc-sealer.ts";
import { makeRsaKey, type SigningKey } from "./dkim-signer.ts";
import { type JudgedMail, judgeSender, reportOf } from "./judge-stages.ts";
import { toZoneResolver, type Zone } from "./zone-resolver.ts";

/*
 * A mail from nobody that says it is of victim.test (p=reject), sealed by list.test, hub.test or
 * evil.test, of whom the policy trusts the first two.
 */
export const LIST = makeRsaKey(1024);
export const HUB = makeRsaKey(1024);
export const EVIL = makeRsaKey(1024);
export const ZONE: Zone = {
  "TXT _dmarc.victim.test": ["v=DMARC1; p=reject"],
  "TXT _dmarc.soft.test": ["v=DMARC1; p=quarantine"],
  "TXT s1._domainkey.list.test": [LIST.record],
  "TXT s1._domainkey.hub.test": [HUB.record],
  "TXT s1._domainkey.evil.test": [EVIL.record],
};
export const PLAIN = "From: ceo@victim.test\r\nSubject: Hello\r\n\r\nHello\r\n";
export const SAW_PASS = "dmarc=pass header.from=victim.test";
export const SAW_FAIL = "dmarc=fail header.from=victim.test";
const TRUSTED = ["list.test", "hub.test"];

const seal = (message: string, key: SigningKey, domain: string, more: Partial<SealOptions> = {}) =>
  sealMessage(message, { key, domain, results: SAW_PASS, signed: "from:subject", ...more });
export const byList = (message = PLAIN, more: Partial<SealOptions> = {}) =>
  seal(message, LIST, "list.test", more);
export const byHub = (message = PLAIN, more: Partial<SealOptions> = {}) =>
  seal(message, HUB, "hub.test", more);
export const byEvil = (message = PLAIN, more: Partial<SealOptions> = {}) =>
  seal(message, EVIL, "evil.test", more);

export interface PlacedSeal extends Partial<JudgedMail> {
  readonly zone?: Zone;
  readonly trustedSealers?: readonly string[];
  readonly dmarc?: object;
}

export async function judgeSealed(
  message: string,
  { zone = ZONE, trustedSealers = TRUSTED, dmarc = {}, ...mail }: PlacedSeal = {},
) {
  const reports = await judgeSender({
    message,
    resolver: toZoneResolver(zone),
    all: true,
    options: { arc: { trustedSealers }, dmarc },
    ...mail,
  });
  const arc = reportOf(reports, "arc");
  const { verdict } = reportOf(reports, "dmarc");
  return {
    arc: arc.evidence as unknown as ArcEvidence,
    marks: arc.verdict.findings.map(({ symbol, detail }) => `${symbol} ${detail}`),
    kind: verdict.kind,
    cause: "cause" in verdict ? verdict.cause : null,
    dmarc: verdict.findings.map(({ symbol, score, detail }) => ({ symbol, score, detail })),
  };
}
