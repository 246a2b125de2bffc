import { passesFor, senderIdentities } from "../../auth/sender-identities.ts";
import type { Author } from "../../mail/author.ts";
import { isWithin } from "../../mail/domain-name.ts";
import type { DataFacts, House } from "../../pipeline/stage.ts";
import type { Finding, Verdict } from "../../pipeline/verdict.ts";
import type { FromOptions } from "./from-options.ts";
import { domainsIn, holdsName } from "./name-words.ts";

export type FromEvidence = {
  readonly author: Author;
  /** The fields as written, the first of them, cut. */
  readonly fields: readonly string[];
  readonly count: number;
};

type Mailbox = Extract<Author, { kind: "mailbox" }>;

/** Pure. Mail of our own users is marked and never refused: a printer's From is our own affair. */
export function judgeFrom(
  { author }: FromEvidence,
  options: FromOptions,
  facts: DataFacts,
  house: House,
): Verdict {
  if (author.kind === "malformed") {
    const { malformed, scores } = options;
    const findings = [{ symbol: "FROM_MALFORMED", score: scores.malformed, detail: author.fault }];
    if (malformed === "stamp" || facts.relay !== null) return { kind: "neutral", findings };
    return { kind: malformed, cause: "from-malformed", findings };
  }
  if (facts.relay !== null) return { kind: "neutral", findings: [] };
  const findings = [
    ...ownDomain(author, options, facts, house),
    ...shownAddress(author, options, house),
    ...vipName(author, options),
  ];
  return { kind: "neutral", findings };
}

function ownDomain(
  { domain }: Mailbox,
  { scores }: FromOptions,
  { reports }: DataFacts,
  house: House,
): readonly Finding[] {
  if (!isOurs(domain, house)) return [];
  const vouched = passesFor(senderIdentities(reports), (name) => isWithin(domain, name));
  if (vouched) return [];
  return [{ symbol: "FROM_OWN_DOMAIN", score: scores.ownDomain, detail: domain }];
}

/** `"ceo@example.org" <x@evil.test>`: many programs show the name alone. */
function shownAddress(
  { display, domain }: Mailbox,
  { scores }: FromOptions,
  house: House,
): readonly Finding[] {
  const others = domainsIn(display).filter((shown) => !isRelated(shown, domain));
  const own = others.find((shown) => isOurs(shown, house));
  if (own !== undefined)
    return [{ symbol: "FROM_NAME_OWN_ADDRESS", score: scores.nameHoldsOwn, detail: own }];
  const [other] = others;
  if (other === undefined) return [];
  return [{ symbol: "FROM_NAME_OTHER_ADDRESS", score: scores.nameHoldsOther, detail: other }];
}

function vipName(author: Mailbox, { vips, scores }: FromOptions): readonly Finding[] {
  const address = `${author.localPart}@${author.domain}`.toLowerCase();
  const vip = vips.find(
    ({ name, addresses }) => holdsName(author.display, name) && !addresses.includes(address),
  );
  return vip ? [{ symbol: "FROM_VIP_NAME", score: scores.vipName, detail: vip.name }] : [];
}

function isRelated(a: string, b: string): boolean {
  return isWithin(a, b) || isWithin(b, a);
}

/** A subdomain that nobody set up is used to deceive just as well. */
function isOurs(domain: string, house: House): boolean {
  const labels = domain.split(".");
  return labels.some((_, i) => house.isOurs(labels.slice(i).join(".")));
}
