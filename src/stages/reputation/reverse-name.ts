import { type IpAddress, parseIp, reverseName } from "../../net/ip.ts";
import type { LookupScope, Resolver } from "../../net/resolver.ts";
import type { StageReport } from "../../pipeline/report.ts";
import type { ReverseName } from "./reputation-evidence.ts";

/** An address with more names than this is asked about the first ones only. */
const MAX_NAMES = 2;

const UNRESOLVED: ReverseName = { status: "unresolved", name: null, confirmed: false };
const NONE: ReverseName = { status: "none", name: null, confirmed: false };

/** What the stage `reverse-dns` found, known by its shape alone; null: it did not look. */
export function reverseNameIn(reports: readonly StageReport[]): ReverseName | null {
  const report = reports.find(({ stage }) => stage === "reverse-dns");
  if (report?.outcome !== "judged") return null;
  const { status, names } = report.evidence as unknown as FoundNames;
  if (status === "none") return NONE;
  if (status === "temporary") return UNRESOLVED;
  const good = names.find((one) => one.status === "confirmed");
  const [first] = names;
  if (good) return { status: "found", name: good.name, confirmed: true };
  return { status: "found", name: first?.name ?? null, confirmed: false };
}

interface FoundNames {
  readonly status: "confirmed" | "unconfirmed" | "none" | "temporary";
  readonly names: readonly { readonly name: string; readonly status: string }[];
}

/** The reverse name of an address, and whether the name leads back: at most three look-ups. */
export async function findReverseName(
  ip: string,
  resolver: Pick<Resolver, "lookup">,
  scope: LookupScope,
): Promise<ReverseName> {
  const address = parseIp(ip);
  if (!address) return NONE;
  const answer = await resolver.lookup(reverseName(address), "PTR", scope);
  if (answer.kind === "none" || answer.kind === "refused") return NONE;
  if (answer.kind !== "found") return UNRESOLVED;
  const names = answer.records.slice(0, MAX_NAMES).map((name) => name.toLowerCase());
  const led = await Promise.all(names.map((name) => leadsTo(name, address, resolver, scope)));
  const good = names.find((_, i) => led[i] === true);
  if (good !== undefined) return { status: "found", name: good, confirmed: true };
  if (led.includes(null)) return UNRESOLVED;
  return { status: "found", name: names[0] ?? null, confirmed: false };
}

/** Null: DNS could not tell. */
async function leadsTo(
  name: string,
  { family, text }: IpAddress,
  resolver: Pick<Resolver, "lookup">,
  scope: LookupScope,
): Promise<boolean | null> {
  const answer = await resolver.lookup(name, family === 4 ? "A" : "AAAA", scope);
  if (answer.kind === "found") return answer.records.some((one) => parseIp(one)?.text === text);
  return answer.kind === "none" || answer.kind === "refused" ? false : null;
}
