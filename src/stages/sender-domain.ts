import { z } from "zod";
import { type Clock, startDeadline } from "../base/clock.ts";
import {
  type Lookup,
  type LookupScope,
  type RecordType,
  type Resolver,
  withSignal,
} from "../net/resolver.ts";
import { defineStage, type Stage } from "../pipeline/stage.ts";
import { NEUTRAL, type Verdict } from "../pipeline/verdict.ts";

export interface SenderDomainServices {
  readonly resolver: Resolver;
  readonly clock: Clock;
}

/** Three look-ups one after the other, each two seconds twice at most; mostly one that is cached. */
const WALL_MS = 6000;
/** Later than the wall, so that a slow zone is told with its answers and is no lost stage. */
const TIMEOUT_MS = 7000;
/** More tell nothing. */
const MAX_RECORDS = 5;

type Status = "exists" | "null-mx" | "no-mail" | "missing" | "unresolved";

type Answer = {
  readonly type: RecordType;
  readonly kind: Lookup<unknown>["kind"];
  readonly records: readonly string[];
  readonly reason: string | null;
};

/** Null: there is no domain to ask about. */
export type SenderDomainEvidence = {
  readonly domain: string;
  readonly status: Status;
  readonly answers: readonly Answer[];
} | null;

const options = z.strictObject({
  /** DNS says that there is no such name (NXDOMAIN). */
  missing: z.enum(["stamp", "reject"]).default("stamp"),
  /** There is, with neither MX nor an address: no answer and no bounce can ever reach the sender. */
  noMail: z.enum(["stamp", "reject"]).default("stamp"),
  /** RFC 7505: the domain says that it takes no mail. */
  nullMx: z.enum(["stamp", "reject"]).default("stamp"),
  /** DNS cannot be asked now. */
  unresolved: z.enum(["stamp", "defer"]).default("stamp"),
  scores: z
    .strictObject({
      missing: z.number().default(2),
      noMail: z.number().default(2),
      nullMx: z.number().default(2),
      unresolved: z.number().default(0),
    })
    .prefault({}),
});

type SenderDomainOptions = z.infer<typeof options>;

/** Whether the domain of MAIL FROM could get an answer: by MX, or by an address (RFC 5321 5.1). */
export const senderDomainStage: Stage<"mail", SenderDomainServices> = defineStage<
  "mail",
  SenderDomainOptions,
  SenderDomainEvidence,
  SenderDomainServices
>({
  name: "sender-domain",
  phase: "mail",
  timeoutMs: TIMEOUT_MS,
  onFailure: "open",
  trustable: true,
  concerns: "strangers",
  file: "sender-auth",
  section: "sender-domain",
  options,

  async observe({ sender, dns }, _options, { resolver, clock }, signal) {
    // The null sender has no domain, and an address literal is none.
    if (sender === null || sender.domain === "" || sender.domain.startsWith("[")) return null;
    const wall = startDeadline(clock, WALL_MS, signal);
    try {
      return await askAbout(sender.domain, resolver, withSignal(dns, wall.signal));
    } finally {
      wall.clear();
    }
  },

  judge(evidence, options): Verdict {
    if (evidence === null || evidence.status === "exists") return NEUTRAL;
    const { domain, status } = evidence;
    const { symbol, score, cause, kind } = outcomeOf(status, options);
    const findings = [{ symbol, score, detail: domain }];
    return kind === "stamp"
      ? { kind: "neutral", findings }
      : { kind, cause, about: { domain }, findings };
  },
});

async function askAbout(
  domain: string,
  resolver: Resolver,
  scope: LookupScope,
): Promise<NonNullable<SenderDomainEvidence>> {
  const answers: Answer[] = [];
  let isThere = false;
  for (const type of ["MX", "A", "AAAA"] as const) {
    const answer = await resolver.lookup(domain, type, scope);
    answers.push(toAnswer(type, answer));
    isThere ||= answer.kind === "none" && answer.reason === "nodata";
    const status = statusOf(type, answer, isThere);
    if (status !== null) return { domain, status, answers };
  }
  return { domain, status: isThere ? "no-mail" : "missing", answers };
}

/**
 * Null: another type must be asked. NXDOMAIN for an MX is believed only once an address is missing
 * as well: there are load balancers that say it of every type they do not know (RFC 4074 4.2), and
 * `hosts` of the settings has addresses alone.
 */
function statusOf(type: RecordType, answer: Lookup<unknown>, isThere: boolean): Status | null {
  switch (answer.kind) {
    case "temporary":
    case "exhausted":
      return "unresolved";
    case "refused":
      return "missing";
    case "none":
      return answer.reason === "nxdomain" && type !== "MX" && !isThere ? "missing" : null;
    case "found":
      return type === "MX" && isNullMx(answer.records) ? "null-mx" : "exists";
  }
}

/** RFC 7505 3: its exchange is the root. Beside a real one it is a mistake, and counts for nothing. */
function isNullMx(records: readonly unknown[]): boolean {
  return records.every(
    (record) =>
      typeof record === "object" &&
      record !== null &&
      "exchange" in record &&
      record.exchange === "",
  );
}

function toAnswer(type: RecordType, answer: Lookup<unknown>): Answer {
  if (answer.kind !== "found")
    return { type, kind: answer.kind, records: [], reason: answer.reason };
  const records = answer.records.slice(0, MAX_RECORDS).map(showRecord);
  return { type, kind: answer.kind, records, reason: null };
}

function showRecord(record: unknown): string {
  if (typeof record === "string") return record;
  if (typeof record !== "object" || record === null || !("exchange" in record)) return "?";
  return "preference" in record ? `${record.preference} ${record.exchange || "."}` : "?";
}

function outcomeOf(
  status: Exclude<Status, "exists">,
  { missing, noMail, nullMx, unresolved, scores }: SenderDomainOptions,
) {
  switch (status) {
    case "missing":
      return {
        symbol: "SENDER_DOMAIN_MISSING",
        score: scores.missing,
        cause: "sender-domain-missing",
        kind: missing,
      } as const;
    case "no-mail":
      return {
        symbol: "SENDER_DOMAIN_NO_MAIL",
        score: scores.noMail,
        cause: "sender-domain-no-mail",
        kind: noMail,
      } as const;
    case "null-mx":
      return {
        symbol: "SENDER_NULL_MX",
        score: scores.nullMx,
        cause: "sender-null-mx",
        kind: nullMx,
      } as const;
    case "unresolved":
      return {
        symbol: "SENDER_DOMAIN_UNRESOLVED",
        score: scores.unresolved,
        cause: "sender-domain-unresolved",
        kind: unresolved,
      } as const;
  }
}
