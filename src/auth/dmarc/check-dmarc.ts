import type { LookupScope, Resolver } from "../../net/resolver.ts";
import type { SenderIdentity } from "../sender-identities.ts";
import type { TxtAnswer } from "../txt-answer.ts";
import type { DmarcPolicy } from "./dmarc-record.ts";
import { type FoundPolicy, organizationOf, policyOf } from "./organization.ts";
import { createTreeWalker, type TreeWalk, type TreeWalker, type WalkFault } from "./tree-walk.ts";

export type DmarcResult = "none" | "pass" | "fail" | "temperror" | "permerror";

/** Plain JSON with all that Authentication-Results, reports and explain need. */
export type DmarcCheck = {
  readonly result: DmarcResult;
  /** Why there is no result, or none that could be relied on. */
  readonly reason: string | null;
  /** The domain of From; null: there is none to be sure of. */
  readonly domain: string | null;
  readonly organization: string | null;
  readonly policy: AppliedPolicy | null;
  readonly identities: readonly JudgedIdentity[];
  readonly answers: readonly TxtAnswer[];
  /** Whether the domain exists, where np= made it matter. */
  readonly exists: boolean | null;
};

export type AppliedPolicy = {
  /** Where the record stands. */
  readonly domain: string;
  readonly source: FoundPolicy["source"];
  readonly tag: "p" | "sp" | "np";
  /** As published, and after t=y. */
  readonly published: DmarcPolicy;
  readonly effective: DmarcPolicy;
  readonly testing: boolean;
};

/** `aligned` null: DNS did not say. */
export type JudgedIdentity = SenderIdentity & { readonly aligned: boolean | null };

export interface DmarcQuestion {
  /** Null: From is malformed. */
  readonly domain: string | null;
  readonly identities: readonly SenderIdentity[];
  /** Checks that gave no answer, so that mail they might have passed is not called a fail. */
  readonly missing: readonly string[];
}

/**
 * DMARC of RFC 9989. Bounded by eight names a walk, by the budget and by the signal of the scope: what
 * cannot be finished is temperror or permerror, never a pass. Does not throw for anything that a
 * sender or a zone can do.
 */
export async function checkDmarc(
  question: DmarcQuestion,
  resolver: Pick<Resolver, "lookup">,
  scope: LookupScope,
): Promise<DmarcCheck> {
  const { domain } = question;
  if (domain === null) return { ...EMPTY, result: "permerror", reason: "no single author in From" };
  const walker = createTreeWalker(resolver, scope);
  const walk = await walker.walk(domain);
  const base = { ...EMPTY, domain, organization: organizationOf(walk) };
  const found = policyOf(walk);
  const faulty = walk.fault !== null && (walk.steps.length === 0 || !found);
  if (walk.fault && faulty) return { ...base, ...ended(walk.fault), answers: walker.answers() };
  if (!found) return { ...base, result: "none", answers: walker.answers() };
  const exists = needsExistence(found) ? await doesExist(domain, resolver, scope) : null;
  const identities = await alignAll(question.identities, found, walk, walker);
  const policy = applyPolicy(found, exists);
  const verdict = conclude(identities, question.missing, walker.answers());
  return { ...base, ...verdict, policy, identities, exists, answers: walker.answers() };
}

const EMPTY = {
  reason: null,
  domain: null,
  organization: null,
  policy: null,
  identities: [],
  answers: [],
  exists: null,
} as const;

function ended({ kind, reason }: WalkFault): Pick<DmarcCheck, "result" | "reason"> {
  return { result: kind, reason };
}

function needsExistence({ source, record }: FoundPolicy): boolean {
  return source !== "author" && record.np !== null;
}

/** RFC 8020: NXDOMAIN, and nothing else, says that a name and all below it do not exist. */
async function doesExist(
  domain: string,
  resolver: Pick<Resolver, "lookup">,
  scope: LookupScope,
): Promise<boolean> {
  const answer = await resolver.lookup(domain, "A", scope);
  return !(answer.kind === "none" && answer.reason === "nxdomain");
}

function applyPolicy(
  { domain, source, record }: FoundPolicy,
  exists: boolean | null,
): AppliedPolicy {
  const tag = chooseTag(source, record, exists);
  const published = record[tag] ?? record.p;
  const effective = record.testing ? MILDER[published] : published;
  return { domain, source, tag, published, effective, testing: record.testing };
}

const MILDER = { reject: "quarantine", quarantine: "none", none: "none" } as const;

function chooseTag(
  source: FoundPolicy["source"],
  { sp, np }: FoundPolicy["record"],
  exists: boolean | null,
): AppliedPolicy["tag"] {
  if (source === "author") return "p";
  if (exists === false && np !== null) return "np";
  return sp === null ? "p" : "sp";
}

async function alignAll(
  identities: readonly SenderIdentity[],
  found: FoundPolicy,
  walk: TreeWalk,
  walker: TreeWalker,
): Promise<readonly JudgedIdentity[]> {
  const { strictDkim, strictSpf } = found.record;
  const judged: JudgedIdentity[] = [];
  for (const identity of identities) {
    const isStrict = identity.method === "dkim" ? strictDkim : strictSpf;
    // What did not pass proves nothing, and costs nobody a query.
    const matters = identity.result !== "other";
    const aligned = matters && (await isAligned(identity.domain, isStrict, walk, walker));
    judged.push({ ...identity, aligned });
  }
  return judged;
}

/** RFC 9989 4.4: the same domain, or one of the same organisation. */
async function isAligned(
  domain: string,
  isStrict: boolean,
  author: TreeWalk,
  walker: TreeWalker,
): Promise<boolean | null> {
  if (domain === author.domain) return true;
  if (isStrict) return false;
  if (author.fault) return null;
  const organization = organizationOf(author);
  // Its own organisation can only be itself or above it.
  if (domain !== organization && !domain.endsWith(`.${organization}`)) return false;
  const walk = await walker.walk(domain);
  return walk.fault ? null : organizationOf(walk) === organization;
}

function conclude(
  identities: readonly JudgedIdentity[],
  missing: readonly string[],
  answers: readonly TxtAnswer[],
): Pick<DmarcCheck, "result" | "reason"> {
  if (identities.some(({ result, aligned }) => result === "pass" && aligned === true))
    return { result: "pass", reason: null };
  const open = identities.find(({ result, aligned }) =>
    result === "pass" ? aligned === null : result === "temperror" && aligned !== false,
  );
  if (open) {
    // Who uses up the budget must not gain by it what a time-out gains.
    const isExhausted = answers.some(({ kind }) => kind === "exhausted");
    const result = isExhausted ? "permerror" : "temperror";
    return { result, reason: `${open.method} of ${open.domain} is undecided` };
  }
  if (missing.length > 0)
    return { result: "temperror", reason: `${missing.join(", ")} gave no answer` };
  return { result: "fail", reason: null };
}
