import { isDmarcRecord } from "../../auth/dmarc/dmarc-record.ts";
import { organizationOf } from "../../auth/dmarc/organization.ts";
import { type ReportAddress, reportAddressesOf } from "../../auth/dmarc/report-address.ts";
import { createTreeWalker, type TreeWalker } from "../../auth/dmarc/tree-walk.ts";
import { MAX_NAME_LENGTH } from "../../net/dns-name.ts";
import type { LookupScope, Resolver } from "../../net/resolver.ts";

export interface ReportDestinations {
  readonly allowed: readonly ReportAddress[];
  /** Why the others get none; those that DNS could not tell of may be allowed later. */
  readonly denied: readonly DeniedDestination[];
}

export interface DeniedDestination {
  readonly to: string;
  readonly reason: string;
  readonly isTemporary: boolean;
}

/**
 * RFC 9990 4: whoever wants reports sent to another organisation needs its word for it in DNS, or
 * anybody could have us flood anybody. Of all addresses that the policy of `domain` names.
 */
export async function checkDestinations(
  domain: string,
  wanted: readonly ReportAddress[],
  resolver: Pick<Resolver, "lookup">,
  scope: LookupScope,
): Promise<ReportDestinations> {
  const walker = createTreeWalker(resolver, scope);
  const allowed: ReportAddress[] = [];
  const denied: DeniedDestination[] = [];
  for (const address of wanted) {
    const answer = await checkOne({ domain, address, walker, resolver, scope });
    if (Array.isArray(answer)) allowed.push(...answer);
    else denied.push(answer as DeniedDestination);
  }
  return { allowed: withoutRepeats(allowed), denied };
}

interface Question {
  readonly domain: string;
  readonly address: ReportAddress;
  readonly walker: TreeWalker;
  readonly resolver: Pick<Resolver, "lookup">;
  readonly scope: LookupScope;
}

async function checkOne(question: Question): Promise<readonly ReportAddress[] | DeniedDestination> {
  const { domain, address, walker, resolver, scope } = question;
  const { spoken: to, domain: host } = address.to;
  const no = (reason: string, isTemporary = false) => ({ to, reason, isTemporary });
  if (host === domain) return [address];
  const walks = [await walker.walk(domain), await walker.walk(host)] as const;
  const fault = walks.find((walk) => walk.fault)?.fault;
  if (fault) return no(fault.reason, true);
  if (organizationOf(walks[0]) === organizationOf(walks[1])) return [address];
  const name = `${domain}._report._dmarc.${host}`;
  if (name.length > MAX_NAME_LENGTH) return no("no name can be made to ask its domain");
  const answer = await resolver.lookup(name, "TXT", scope);
  if (answer.kind === "temporary") return no(answer.reason, true);
  const texts = answer.kind === "found" ? answer.records.filter(isDmarcRecord) : [];
  if (texts.length === 0) return no(`${name} does not agree`);
  return override(address, texts) ?? no(`${name} names an address elsewhere`);
}

/** The other organisation may name another address, on the same host, and nowhere else. */
function override(
  address: ReportAddress,
  texts: readonly string[],
): readonly ReportAddress[] | null {
  const named = texts.flatMap((text) => reportAddressesOf(text) ?? []);
  if (named.length === 0) return [address];
  return named.every(({ to }) => to.domain === address.to.domain) ? named : null;
}

function withoutRepeats(addresses: readonly ReportAddress[]): readonly ReportAddress[] {
  return [...new Map(addresses.map((one) => [one.to.spoken, one])).values()];
}
