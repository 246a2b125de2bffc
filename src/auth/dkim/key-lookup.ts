import type { LookupScope, Resolver } from "../../net/resolver.ts";
import { type TxtAnswer, toTxtAnswer } from "../txt-answer.ts";
import { type DkimKey, parseDkimKey } from "./dkim-key.ts";

export type FoundKey = { readonly answer: TxtAnswer } & (
  | { readonly kind: "key"; readonly key: DkimKey }
  | { readonly kind: "temperror" | "permerror"; readonly reason: string }
);

/** Asks for each key once, whatever number of signatures name it. */
export interface KeyLookup {
  find(domain: string, selector: string): Promise<FoundKey>;
}

/** More than one record is a mistake, and this shows it. */
const MAX_RECORDS_KEPT = 2;

export function createKeyLookup(resolver: Pick<Resolver, "lookup">, scope: LookupScope): KeyLookup {
  const asked = new Map<string, Promise<FoundKey>>();
  return {
    find(domain, selector) {
      const name = `${selector}._domainkey.${domain}`;
      const known = asked.get(name) ?? ask(name, resolver, scope);
      asked.set(name, known);
      return known;
    },
  };
}

async function ask(
  name: string,
  resolver: Pick<Resolver, "lookup">,
  scope: LookupScope,
): Promise<FoundKey> {
  const found = await resolver.lookup(name, "TXT", scope);
  const answer = toTxtAnswer(
    name,
    found,
    found.kind === "found" ? found.records : [],
    MAX_RECORDS_KEPT,
  );
  const { kind } = found;
  if (kind === "temporary") return { kind: "temperror", reason: found.reason, answer };
  if (kind !== "found") return { kind: "permerror", reason: `no key: ${found.reason}`, answer };
  const [record, ...others] = found.records;
  // RFC 6376 3.6.2.2 leaves several records undefined: nobody may choose one that suits him.
  if (record === undefined || others.length > 0)
    return { kind: "permerror", reason: `${found.records.length} key records`, answer };
  const key = parseDkimKey(record);
  if (typeof key === "string") return { kind: "permerror", reason: key, answer };
  return { kind: "key", key, answer };
}
