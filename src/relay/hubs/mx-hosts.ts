import { isIP } from "node:net";
import type { LookupScope, RecordData, Resolver } from "../../net/resolver.ts";
import { localReply } from "../../smtp/client-reply.ts";
import type { RemoteReply } from "../../smtp/smtp-client.ts";
import type { OurSelf } from "./own-names.ts";
import { shuffleWithinRanks } from "./shuffle.ts";

/** A mail server of a domain. */
export interface MxHost {
  readonly host: string;
  readonly preference: number;
  /** In the order in which to try them. */
  readonly addresses: readonly string[];
}

export type MxHosts =
  | { readonly kind: "found"; readonly hosts: readonly MxHost[]; readonly hasMx: boolean }
  /** DNS says for certain that nobody can ever take this mail. */
  | { readonly kind: "refused"; readonly reply: RemoteReply }
  | { readonly kind: "later"; readonly reason: string };

export interface MxOptions {
  readonly resolver: Pick<Resolver, "lookup">;
  readonly ourSelf: OurSelf;
  /** 0 to 1. */
  readonly random: () => number;
}

/** A domain may list thousands; whoever cannot take mail on ten cannot take it. */
const MAX_MX_HOSTS = 10;
/** Of one host: a name with hundreds of addresses must not make an attempt last for days. */
const MAX_ADDRESSES_PER_HOST = 5;

type MxRecord = RecordData["MX"];

/**
 * RFC 5321 5.1: the mail servers of a domain by preference, equals at random, without ourselves and
 * whatever is no better than us. `families`: those that we can send from.
 */
export async function findMxHosts(
  options: MxOptions,
  domain: string,
  families: readonly (4 | 6)[],
  scope: LookupScope,
): Promise<MxHosts> {
  // Nobody's mail server is looked up for it, and to follow it would let mail choose its way.
  if (domain.startsWith("["))
    return refuse(550, "5.1.2", `Mail for the address literal ${domain} is not relayed`);
  const records = await findRecords(options.resolver, domain, scope);
  if (records.kind !== "found") return records;
  const { hasMx } = records;
  const foreign = withoutNames(records.records, options.ourSelf);
  if (foreign.length === 0) return loop(domain);
  const chosen = shuffleWithinRanks(foreign, ({ preference }) => preference, options.random);
  const looked = await Promise.all(
    chosen.slice(0, MAX_MX_HOSTS).map((record) => lookUpHost(options, record, families, scope)),
  );
  return toHosts(looked, domain, hasMx);
}

type Records =
  | { readonly kind: "found"; readonly records: readonly MxRecord[]; readonly hasMx: boolean }
  | (MxHosts & { readonly kind: "refused" | "later" });

async function findRecords(
  resolver: MxOptions["resolver"],
  domain: string,
  scope: LookupScope,
): Promise<Records> {
  const answer = await resolver.lookup(domain, "MX", scope);
  switch (answer.kind) {
    case "found": {
      const named = answer.records.filter(({ exchange }) => exchange !== "");
      if (named.length > 0) return { kind: "found", records: unique(named), hasMx: true };
      // RFC 7505, with the codes of its section 5.
      return refuse(556, "5.1.10", `The domain ${domain} takes no mail: it has a null MX`);
    }
    case "none":
      if (answer.reason === "nodata") {
        const records = [{ preference: 0, exchange: domain }];
        return { kind: "found", records, hasMx: false };
      }
      return refuse(550, "5.1.2", `The domain ${domain} does not exist`);
    case "refused":
      return refuse(550, "5.1.2", `The domain ${domain} cannot be looked up: ${answer.reason}`);
    case "temporary":
    case "exhausted":
      return { kind: "later", reason: `MX of ${domain}: ${answer.reason}` };
  }
}

/** Each name once, with its best preference. */
function unique(records: readonly MxRecord[]): readonly MxRecord[] {
  const byName = new Map<string, MxRecord>();
  for (const record of records.toSorted((a, b) => a.preference - b.preference)) {
    const name = record.exchange.toLowerCase();
    if (!byName.has(name)) byName.set(name, { ...record, exchange: name });
  }
  return [...byName.values()];
}

/** RFC 5321 5.1: without us, and without whoever is no better than us, who would send it to us. */
function withoutNames(records: readonly MxRecord[], { isOurName }: OurSelf): readonly MxRecord[] {
  const own = records.filter(({ exchange }) => isOurName(exchange));
  const bound = Math.min(...own.map(({ preference }) => preference));
  return records.filter(({ preference }) => preference < bound);
}

interface LookedUp extends MxHost {
  readonly isOurs: boolean;
  /** Why nothing is known of its addresses for now. */
  readonly temporary: string | null;
  /** It has addresses, of a family that we cannot send from. */
  readonly isElsewhere: boolean;
}

async function lookUpHost(
  { resolver, ourSelf, random }: MxOptions,
  { exchange: host, preference }: MxRecord,
  families: readonly (4 | 6)[],
  scope: LookupScope,
): Promise<LookedUp> {
  const answers = await Promise.all([
    resolver.lookup(host, "A", scope),
    resolver.lookup(host, "AAAA", scope),
  ]);
  const all = answers.flatMap((answer) => (answer.kind === "found" ? answer.records : []));
  const usable = all.filter((address) => families.includes(isIP(address) === 6 ? 6 : 4));
  const failed = answers.find(({ kind }) => kind === "temporary" || kind === "exhausted");
  const temporary = failed && "reason" in failed ? `${host}: ${failed.reason}` : null;
  // As everywhere in the house: IPv4 first.
  const ordered = shuffleWithinRanks(usable, (address) => isIP(address), random);
  return {
    host,
    preference,
    addresses: ordered.slice(0, MAX_ADDRESSES_PER_HOST),
    isOurs: all.some(ourSelf.isOurAddress),
    temporary,
    isElsewhere: all.length > usable.length,
  };
}

function toHosts(looked: readonly LookedUp[], domain: string, hasMx: boolean): MxHosts {
  const bound = Math.min(...looked.filter((one) => one.isOurs).map((one) => one.preference));
  const foreign = looked.filter(({ preference }) => preference < bound);
  if (foreign.length === 0) return loop(domain);
  const hosts = foreign
    .filter(({ addresses }) => addresses.length > 0)
    .map(({ host, preference, addresses }) => ({ host, preference, addresses }));
  if (hosts.length > 0) return { kind: "found", hosts, hasMx };
  const [waiting] = foreign.flatMap(({ temporary }) => temporary ?? []);
  if (waiting !== undefined) return { kind: "later", reason: waiting };
  if (foreign.some(({ isElsewhere }) => isElsewhere))
    return { kind: "later", reason: `${domain}: no address of a family that we send from` };
  return refuse(550, "5.4.4", `No mail server of ${domain} has an address`);
}

function loop(domain: string): MxHosts & { readonly kind: "refused" } {
  return refuse(554, "5.4.6", `Mail for ${domain} loops back to us: we are its mail server`);
}

function refuse(
  code: number,
  status: string,
  text: string,
): MxHosts & { readonly kind: "refused" } {
  return { kind: "refused", reply: localReply(code, status, text) };
}
