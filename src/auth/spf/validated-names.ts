import { isWithin } from "../../mail/domain-name.ts";
import { canonicalName } from "../../net/dns-name.ts";
import { parseIp, reverseName } from "../../net/ip.ts";
import type { Lookup } from "../../net/resolver.ts";
import { type SpfFault, type SpfRun, unavailable } from "./spf-run.ts";
import type { TraceTerm } from "./spf-trace.ts";

/** RFC 7208 4.6.4: PTR names beyond it are ignored, because the sender cannot help them. */
const MAX_PTR_NAMES = 10;

/** The names that the PTR records of the client give, unproven, at most ten. */
export async function reverseNames(run: SpfRun, term: TraceTerm): Promise<Lookup<string>> {
  const answer = await run.lookup(term, reverseName(run.subject.ip), "PTR");
  if (answer.kind !== "found") return answer;
  return { ...answer, records: answer.records.slice(0, MAX_PTR_NAMES).map(canonicalName) };
}

/** True when the name leads back to the client (RFC 7208 5.5). A DNS error only skips the name. */
export async function isValidated(
  run: SpfRun,
  term: TraceTerm,
  name: string,
): Promise<boolean | SpfFault> {
  const { ip } = run.subject;
  const answer = await run.lookup(term, name, ip.family === 4 ? "A" : "AAAA", "host");
  if (answer.kind === "exhausted") return unavailable(answer) ?? false;
  if (answer.kind !== "found") return false;
  return answer.records.some((record) => parseIp(record)?.text === ip.text);
}

/**
 * %{p}: the validated name, best the domain itself, then one below it, then any; else "unknown"
 * (RFC 7208 7.3).
 */
export async function validatedName(
  run: SpfRun,
  term: TraceTerm,
  domain: string,
): Promise<string | SpfFault> {
  const answer = await reverseNames(run, term);
  if (answer.kind === "exhausted") return unavailable(answer) ?? "unknown";
  if (answer.kind !== "found") return "unknown";
  const wanted = canonicalName(domain);
  const rank = (name: string) => (name === wanted ? 0 : isWithin(name, wanted) ? 1 : 2);
  for (const name of answer.records.toSorted((a, b) => rank(a) - rank(b))) {
    const valid = await isValidated(run, term, name);
    if (typeof valid === "object") return valid;
    if (valid) return name;
  }
  return "unknown";
}
