import { isSpfRecord } from "../auth/spf/spf-record.ts";
import type { LookupScope, Resolver } from "../net/resolver.ts";

/** RFC 7208 4.6.4: beyond it a record is a permanent error to those who get to its end. */
export const MAX_SPF_LOOKUPS = 10;
/** Where counting ends: the number is bad enough, and a loop of includes has no end. */
const MOST_COUNTED = 30;

const ASKING = /^[-+~?]?(?:include|a|mx|ptr|exists)(?:[:/]|$)/i;
const LEADS_ON = /^(?:[-+~?]?include:|redirect=)([^%]+)$/i;

/** How many of its terms ask DNS, when none of them matches; those of included records too. */
export async function countSpfLookups(
  record: string,
  resolver: Pick<Resolver, "lookup">,
  scope: LookupScope,
): Promise<number> {
  let count = 0;
  const waiting = [record];
  for (;;) {
    const text = waiting.shift();
    if (text === undefined || count >= MOST_COUNTED) return count;
    for (const term of text.split(" ")) {
      const target = LEADS_ON.exec(term)?.[1];
      if (!ASKING.test(term) && target === undefined) continue;
      count += 1;
      if (target !== undefined) waiting.push(...(await recordOf(target, resolver, scope)));
    }
  }
}

async function recordOf(
  domain: string,
  resolver: Pick<Resolver, "lookup">,
  scope: LookupScope,
): Promise<readonly string[]> {
  const answer = await resolver.lookup(domain, "TXT", scope, { names: "printable" });
  return answer.kind === "found" ? answer.records.filter(isSpfRecord).slice(0, 1) : [];
}
