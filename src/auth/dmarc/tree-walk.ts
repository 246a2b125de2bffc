import type { Lookup, LookupScope, Resolver } from "../../net/resolver.ts";
import { type TxtAnswer, toTxtAnswer } from "../txt-answer.ts";
import { type DmarcRecord, isDmarcRecord, parseDmarcRecord } from "./dmarc-record.ts";

/** The names from a domain upwards, with the record of each (RFC 9989 4.10). */
export interface TreeWalk {
  readonly domain: string;
  readonly steps: readonly WalkStep[];
  /** Why it could not be walked to its end. */
  readonly fault: WalkFault | null;
}

export interface WalkStep {
  readonly domain: string;
  readonly record: DmarcRecord | null;
}

export interface WalkFault {
  readonly kind: "temperror" | "permerror";
  readonly reason: string;
}

export interface TreeWalker {
  walk(domain: string): Promise<TreeWalk>;
  /** Every answer so far, each name once, with the records that begin with the version of DMARC. */
  answers(): readonly TxtAnswer[];
}

/** RFC 9989 4.10: a longer name is cut to seven labels after the first query, eight in all. */
const LABELS_AFTER_FIRST = 7;
const MAX_RECORDS_KEPT = 4;

export function createTreeWalker(
  resolver: Pick<Resolver, "lookup">,
  scope: LookupScope,
): TreeWalker {
  const known = new Map<string, DmarcRecord | WalkFault | null>();
  const answers: TxtAnswer[] = [];

  async function ask(domain: string): Promise<DmarcRecord | WalkFault | null> {
    const before = known.get(domain);
    if (before !== undefined) return before;
    const name = `_dmarc.${domain}`;
    const answer = await resolver.lookup(name, "TXT", scope);
    const texts = answer.kind === "found" ? answer.records.filter(isDmarcRecord) : [];
    answers.push(toTxtAnswer(name, answer, texts, MAX_RECORDS_KEPT));
    const read = toFault(answer) ?? selectRecord(texts);
    known.set(domain, read);
    return read;
  }

  return {
    async walk(domain) {
      const steps: WalkStep[] = [];
      for (const name of walkedNames(domain)) {
        const record = await ask(name);
        if (isFault(record)) return { domain, steps, fault: record };
        steps.push({ domain: name, record });
        if (record && endsWalk(record, name === domain)) break;
      }
      return { domain, steps, fault: null };
    },
    answers: () => answers,
  };
}

function isFault(value: DmarcRecord | WalkFault | null): value is WalkFault {
  return value !== null && "kind" in value;
}

/** At most eight names, the domain itself first. */
export function walkedNames(domain: string): readonly string[] {
  const labels = domain.split(".");
  const rest = Math.min(labels.length - 1, LABELS_AFTER_FIRST);
  const parents = Array.from({ length: rest }, (_, i) => labels.slice(-(rest - i)).join("."));
  return [domain, ...parents];
}

/** A public suffix that sends mail itself is no end: the walk began there. */
function endsWalk({ psd }: DmarcRecord, isFirst: boolean): boolean {
  return psd === "n" || (psd === "y" && !isFirst);
}

/** RFC 9989 4.10: several records are as none. */
function selectRecord(texts: readonly string[]): DmarcRecord | null {
  const [text] = texts;
  return text !== undefined && texts.length === 1 ? parseDmarcRecord(text) : null;
}

function toFault(answer: Lookup<string>): WalkFault | null {
  if (answer.kind === "temporary") return { kind: "temperror", reason: answer.reason };
  if (answer.kind === "exhausted") return { kind: "permerror", reason: answer.reason };
  return null;
}
