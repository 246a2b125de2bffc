import type { Lookup, RecordType } from "../../net/resolver.ts";

/** One term that was looked at, in order, with what DNS said. Plain JSON, bounded. */
export type SpfTraceEntry = {
  /** Whose record it stands in. */
  readonly domain: string;
  /** As published, or "record" for the look-up of the record itself. */
  readonly term: string;
  readonly lookups: readonly SpfTraceLookup[];
  /** "match", "no match", or what went wrong. */
  readonly outcome: string;
};

export type SpfTraceLookup = {
  readonly name: string;
  readonly type: string;
  /** "found", "none", "temporary", … */
  readonly kind: string;
  readonly records: readonly string[];
  readonly reason?: string;
};

export interface SpfTrace {
  begin(domain: string, term: string): TraceTerm;
  entries(): readonly SpfTraceEntry[];
  /** Terms that matched nothing and were left out, because there were too many. */
  omitted(): number;
}

export interface TraceTerm {
  lookup(name: string, type: RecordType, answer: Lookup<unknown>): void;
  end(outcome: string): void;
}

/** Terms with look-ups are few by RFC 7208 4.6.4; of the others the first hundred tell enough. */
const MAX_ENTRIES = 100;
const MAX_RECORDS = 10;
const MAX_TEXT = 300;

type Draft = { -readonly [K in keyof SpfTraceEntry]: SpfTraceEntry[K] } & {
  readonly lookups: SpfTraceLookup[];
};

export function createSpfTrace(): SpfTrace {
  const entries: Draft[] = [];
  let omitted = 0;
  return {
    begin(domain, term) {
      const entry: Draft = { domain: cut(domain), term: cut(term), lookups: [], outcome: "" };
      entries.push(entry);
      return {
        lookup: (name, type, answer) => void entry.lookups.push(toLookup(name, type, answer)),
        end(outcome) {
          entry.outcome = cut(outcome);
          const dull = outcome === "no match" && entry.lookups.length === 0;
          if (!dull || entries.length <= MAX_ENTRIES || entries.at(-1) !== entry) return;
          entries.pop();
          omitted += 1;
        },
      };
    },
    entries: () => entries,
    omitted: () => omitted,
  };
}

function toLookup(name: string, type: RecordType, answer: Lookup<unknown>): SpfTraceLookup {
  const base = { name: cut(name), type, kind: answer.kind };
  if (answer.kind !== "found") return { ...base, records: [], reason: cut(answer.reason) };
  const records = answer.records.slice(0, MAX_RECORDS).map((record) => cut(textOf(record)));
  const more = answer.records.length - records.length;
  return { ...base, records: more > 0 ? [...records, `and ${more} more`] : records };
}

function textOf(record: unknown): string {
  return typeof record === "string" ? record : JSON.stringify(record);
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
