import type { HeloPhaseFacts, House } from "../../pipeline/stage.ts";
import type { Finding, Verdict } from "../../pipeline/verdict.ts";
import type { HeloEvidence } from "./helo.ts";
import type { HeloOptions } from "./helo-options.ts";

/**
 * RFC 5321 4.1.4 forbids to refuse mail only because the name is not that of the client, so all
 * marks are scores but one: nobody else has our own name, and no honest program says it.
 */
export function judgeHelo(
  evidence: HeloEvidence,
  { ownName, scores }: HeloOptions,
  facts: Pick<HeloPhaseFacts, "client" | "listener">,
  house: Pick<House, "isOurs">,
): Verdict {
  const { name, form } = evidence;
  const found = (symbol: string, score: number, detail = name): Finding => ({
    symbol,
    score,
    detail,
  });
  if (isOurName(evidence, facts)) {
    const findings = [found("HELO_OWN_NAME", scores.ownName)];
    if (ownName === "stamp") return { kind: "neutral", findings };
    return { kind: "reject", cause: "helo-forged", findings };
  }
  const findings: Finding[] = [];
  if (form === "literal" && evidence.address !== facts.client.ip)
    findings.push(
      found("HELO_LITERAL_DIFFERS", scores.literalDiffers, `${name}: not ${facts.client.ip}`),
    );
  if (form === "bare-address") findings.push(found("HELO_BARE_ADDRESS", scores.bareAddress));
  if (form === "malformed") findings.push(found("HELO_MALFORMED", scores.malformed));
  if (form === "single-label") findings.push(found("HELO_SINGLE_LABEL", scores.singleLabel));
  if (form === "domain" && house.isOurs(name))
    findings.push(found("HELO_OWN_DOMAIN", scores.ownDomain));
  if (evidence.lookup?.status === "none")
    findings.push(found("HELO_UNRESOLVED", scores.unresolved));
  return { kind: "neutral", findings };
}

/** The name of the listener, or an address of this machine said by another one. */
function isOurName(
  { name, isOurAddress, address }: HeloEvidence,
  { client, listener }: Pick<HeloPhaseFacts, "client" | "listener">,
): boolean {
  if (name === listener.hostname.toLowerCase()) return true;
  return isOurAddress && address !== client.ip;
}
