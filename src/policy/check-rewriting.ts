import { type AddressPattern, createAddressMap, formatPattern, patternKey } from "./address-map.ts";
import { coverage, parseDomainPattern } from "./domain-pattern.ts";
import { directionOf, type RewritingFile } from "./rewriting-file.ts";
import type { Domains, Routing } from "./snapshot.ts";
import type { Path, Source } from "./source.ts";

/** What rewriting.yaml must fit. */
export interface MailPolicy {
  readonly domains: Domains;
  readonly routing: Pick<Routing, "route">;
}

type Entry = RewritingFile["addresses"][number];

/** What is right in rewriting.yaml by itself, and does not fit together or the other files. */
export function checkRewriting(file: RewritingFile, mail: MailPolicy, source: Source): void {
  for (const [index, entry] of file.addresses.entries()) {
    const path = ["addresses", index];
    checkKinds(entry, path, source);
    checkDomains(entry, path, mail, source);
  }
  checkTwice(file, source);
  checkLoops(file, source);
  checkRedirects(file, mail, source);
  checkTargets(file, mail, source);
}

function checkKinds({ internal, external, direction }: Entry, path: Path, source: Source): void {
  if (external.kind === "wildcard")
    source.complain([...path, "external"], "a wildcard cannot be what others write to");
  else if ((internal.kind === "address") !== (external.kind === "address"))
    source.complain([...path, "external"], "expected two addresses, or two domains");
  if (internal.kind === "wildcard" && direction !== undefined && direction !== "outbound")
    source.complain([...path, "direction"], "a wildcard works outbound only: it has no way back");
}

/** Only mail of our own is rewritten, and only what we take mail for can be written back. */
function checkDomains(entry: Entry, path: Path, { domains }: MailPolicy, source: Source): void {
  const { internal, external } = entry;
  const own = domains.all.filter(({ type }) => type === "authoritative");
  const isOwn =
    internal.kind === "wildcard"
      ? coverage(own.map(({ name }) => name))(internal.domain)
      : domains.find(internal.domain)?.type === "authoritative";
  if (!isOwn)
    source.complain(
      [...path, "internal"],
      `expected an authoritative domain of domains.yaml, got \`${internal.domain}\``,
    );
  if (directionOf(entry) !== "outbound" && domains.find(external.domain) === null)
    source.complain(
      [...path, "external"],
      `no mail for \`${external.domain}\` is accepted; expected a domain of domains.yaml, or direction: outbound`,
    );
}

function checkTwice({ addresses }: RewritingFile, source: Source): void {
  const seen = { internal: new Map<string, number>(), external: new Map<string, number>() };
  for (const [index, entry] of addresses.entries()) {
    const direction = directionOf(entry);
    if (direction !== "inbound") noteOnce(entry.internal, "internal", index, seen.internal, source);
    if (direction !== "outbound")
      noteOnce(entry.external, "external", index, seen.external, source);
  }
}

function noteOnce(
  pattern: AddressPattern,
  side: "internal" | "external",
  index: number,
  seen: Map<string, number>,
  source: Source,
): void {
  const key = patternKey(pattern);
  const first = seen.get(key);
  seen.set(key, first ?? index);
  if (first === undefined) return;
  const way = side === "internal" ? "outbound" : "inbound";
  const message = `\`${formatPattern(pattern)}\` is rewritten ${way} by entry ${first + 1} already`;
  source.complain(["addresses", index, side], message);
}

/** What comes out must not be what another entry takes in: two gateways would go round. */
function checkLoops({ addresses }: RewritingFile, source: Source): void {
  const rewritten = createAddressMap(
    addresses
      .filter((entry) => directionOf(entry) !== "inbound")
      .map(({ internal, external }) => ({ from: internal, to: external })),
  );
  for (const [index, { internal, external }] of addresses.entries()) {
    const localPart = external.kind === "address" ? external.localPart : "";
    const again = rewritten.find(localPart, external.domain);
    if (!again && patternKey(internal) !== patternKey(external)) continue;
    const by = again ? again.by : "itself";
    const message = `a loop: \`${formatPattern(external)}\` would be rewritten again, by ${by}`;
    source.complain(["addresses", index, "external"], message);
  }
}

function checkRedirects(
  { redirects }: RewritingFile,
  { domains, routing }: MailPolicy,
  source: Source,
): void {
  const known = new Map(redirects.map(({ recipient }, i) => [keyOf(recipient), i]));
  for (const [index, { recipient, to }] of redirects.entries()) {
    const path = ["redirects", index];
    if (domains.find(recipient.domain) === null)
      source.complain([...path, "recipient"], `no mail for \`${recipient.domain}\` is accepted`);
    if (known.get(keyOf(recipient)) !== index)
      source.complain([...path, "recipient"], `\`${recipient.spoken}\` is redirected twice`);
    if (known.has(keyOf(to)))
      source.complain([...path, "to"], `a loop: \`${to.spoken}\` is redirected itself`);
    if (routing.route(to.domain) === null)
      source.complain([...path, "to"], `no connector in routing.yaml takes \`${to.domain}\``);
  }
}

function keyOf(address: { readonly localPart: string; readonly domain: string }): string {
  return patternKey({ kind: "address", ...address });
}

function checkTargets(
  { srs, bounceTags, copies }: RewritingFile,
  { domains, routing }: MailPolicy,
  source: Source,
): void {
  if (srs && domains.find(srs.domain) === null)
    source.complain(
      ["srs", "domain"],
      `no mail for \`${srs.domain}\` is accepted: bounces could not come back`,
    );
  const isAccepted = coverage(domains.all.map(({ name }) => name));
  for (const key of Object.keys(bounceTags))
    if (!isAccepted(parseDomainPattern(key) ?? key))
      source.complain(["bounceTags", key], `no mail for \`${key}\` is accepted`, "key");
  for (const [index, { recipients, senders, to }] of copies.entries()) {
    if (!recipients && !senders)
      source.complain(["copies", index], "expected recipients or senders; `*` is everybody");
    if (routing.route(to.domain) === null)
      source.complain(
        ["copies", index, "to"],
        `no connector in routing.yaml takes \`${to.domain}\``,
      );
  }
}
