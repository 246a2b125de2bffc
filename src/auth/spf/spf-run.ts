import type { IpAddress } from "../../net/ip.ts";
import type {
  Lookup,
  LookupScope,
  NameRule,
  RecordData,
  RecordType,
  Resolver,
} from "../../net/resolver.ts";
import { isSpfRecord } from "./spf-record.ts";
import type { SpfTrace, TraceTerm } from "./spf-trace.ts";

/** Ends the whole check. */
export interface SpfFault {
  readonly kind: "fault";
  readonly result: "temperror" | "permerror";
  readonly reason: string;
}

/** Whom the check is about; the same through include and redirect (RFC 7208 4.1). */
export interface SpfSubject {
  readonly ip: IpAddress;
  readonly localPart: string;
  readonly senderDomain: string;
  readonly helo: string;
  /** Our own host name, for %{r}. */
  readonly receiver: string;
  /** Seconds since the epoch, for %{t}. */
  readonly timestamp: number;
}

/** RFC 7208 4.6.4: terms that ask DNS, over all records of one check. */
const MAX_DNS_TERMS = 10;
/** RFC 7208 4.6.4: look-ups of terms that find nothing. */
const MAX_VOID_LOOKUPS = 2;

/** One check under way: its subject, its look-ups, and what is left of its limits. */
export interface SpfRun {
  readonly subject: SpfSubject;
  readonly trace: SpfTrace;
  /** Of the TXT records of a name, those that this check is to follow. */
  readonly select: RecordChoice;
  lookup<T extends RecordType>(
    term: TraceTerm,
    name: string,
    type: T,
    names?: NameRule,
  ): Promise<Lookup<RecordData[T]>>;
  /** To be called before a term that asks DNS. */
  countTerm(): SpfFault | null;
  /** A fault for an answer that could not be had, or for one void look-up too many. */
  judgeAnswer(answer: Lookup<unknown>): SpfFault | null;
  /** The wall: RFC 7208 4.6.4 makes a check that takes too long a temperror. */
  isOver(): SpfFault | null;
}

export type RecordChoice = (texts: readonly string[]) => readonly string[];

export function createSpfRun(
  subject: SpfSubject,
  trace: SpfTrace,
  resolver: Pick<Resolver, "lookup">,
  scope: LookupScope,
  select: RecordChoice = (texts) => texts.filter(isSpfRecord),
): SpfRun {
  let terms = 0;
  let voids = 0;
  return {
    subject,
    trace,
    select,
    async lookup(term, name, type, names = "printable") {
      const answer = await resolver.lookup(name, type, scope, { names });
      term.lookup(name, type, answer);
      return answer;
    },
    countTerm() {
      terms += 1;
      return terms > MAX_DNS_TERMS ? permerror(`more than ${MAX_DNS_TERMS} DNS look-ups`) : null;
    },
    judgeAnswer(answer) {
      if (answer.kind !== "none") return unavailable(answer);
      voids += 1;
      return voids > MAX_VOID_LOOKUPS
        ? permerror(`more than ${MAX_VOID_LOOKUPS} look-ups found nothing`)
        : null;
    },
    isOver: () => (scope.signal.aborted ? temperror("not finished in time") : null),
  };
}

/** A used-up budget is never a pass, and never "later": the record asks for too much. */
export function unavailable(answer: Lookup<unknown>): SpfFault | null {
  if (answer.kind === "temporary") return temperror(answer.reason);
  if (answer.kind === "exhausted") return permerror(answer.reason);
  return null;
}

export function permerror(reason: string): SpfFault {
  return { kind: "fault", result: "permerror", reason };
}

export function temperror(reason: string): SpfFault {
  return { kind: "fault", result: "temperror", reason };
}
