import { z } from "zod";
import { parseMailbox } from "../mail/address.ts";
import { type Cidr, isInside, parseCidr } from "../net/ip.ts";
import type { RelayPermission } from "../smtp/relay-permission.ts";
import { tagsIn } from "./domains.ts";
import { lookUp, parseRecipientEntry, type RecipientKey } from "./recipient-key.ts";
import type { Domains } from "./snapshot.ts";

/**
 * What is done with mail whose From names an address that its sender may not use. `mark`: a finding
 * alone, to see whom the others would hit. `unsigned`: sent without our signature.
 */
export type AuthorMode = "off" | "mark" | "unsigned" | "refuse";

/** What the stage `own-author` judges by. */
export interface OwnAuthors {
  modeFor(relay: RelayPermission): AuthorMode;
  /** `domain` in its canonical form; `ip` is the client's. */
  mayWriteAs(relay: RelayPermission, ip: string, author: Mailbox): boolean;
}

interface Mailbox {
  readonly localPart: string;
  readonly domain: string;
}

/** As a key: whoever has a permission of the kind. As an entry: any address. */
const ANY = "*";
const MAX_NAMES = 10_000;
const MAX_ADDRESSES = 1000;

const entry = z
  .string()
  .refine(
    (text) => text === ANY || parseRecipientEntry(text) !== null,
    "expected an address, @domain, or * for any",
  );

const permission = (name: z.ZodType<string, string>) =>
  z
    .strictObject({
      mode: z.enum(["off", "mark", "unsigned", "refuse"]).default("off"),
      may: z
        .record(name, z.array(entry).max(MAX_ADDRESSES))
        .refine((all) => Object.keys(all).length <= MAX_NAMES, {
          error: `expected at most ${MAX_NAMES} names`,
        })
        .default({}),
    })
    .prefault({});

const network = z
  .string()
  .refine(
    (text) => text === ANY || parseCidr(text) !== null,
    "expected an IP address, a network such as 192.0.2.0/24, or * for all",
  );
const text = z.string().min(1).max(1000);

/** By what permits to relay, as `ownSenders`. */
export const ownAuthorsSchema = z
  .strictObject({
    password: permission(text),
    network: permission(network),
    certificate: permission(text),
  })
  .prefault({});

export type OwnAuthorsFile = z.infer<typeof ownAuthorsSchema>;

/** Undefined when nobody's From is looked at. */
export function compileOwnAuthors(
  file: OwnAuthorsFile,
  domains: Pick<Domains, "find"> | undefined,
): OwnAuthors | undefined {
  if (Object.values(file).every(({ mode }) => mode === "off")) return undefined;
  const users = grantsByName(file.password.may);
  const certificates = grantsByName(file.certificate.may);
  const networks = grantsByNetwork(file.network.may);
  const grantsOf = (relay: RelayPermission, ip: string): readonly Grant[] => {
    switch (relay.by) {
      case "password":
        return [...ownAddress(relay.user), ...users([relay.user, ANY])];
      case "certificate":
        return certificates([relay.subject, relay.fingerprint256, ANY]);
      case "network":
        return networks(ip);
    }
  };
  return {
    modeFor: ({ by }) => file[by].mode,
    mayWriteAs: (relay, ip, author) => {
      const tags = domains ? tagsIn(domains, author.domain) : null;
      return grantsOf(relay, ip).some((grant) => covers(grant, author, tags));
    },
  };
}

/** Addresses that somebody may write as; of `any` all there are. */
interface Grant {
  readonly any: boolean;
  readonly byDomain: ReadonlyMap<string, ReadonlySet<RecipientKey>>;
}

function toGrant(entries: readonly string[]): Grant {
  const byDomain = new Map<string, Set<RecipientKey>>();
  for (const parsed of entries.map(parseRecipientEntry)) {
    if (parsed === null) continue;
    const keys = byDomain.get(parsed.domain) ?? new Set();
    byDomain.set(parsed.domain, keys.add(parsed.key));
  }
  return { any: entries.includes(ANY), byDomain };
}

/** A mailbox's tag is its owner's to choose, where the domain has tags. */
function covers({ any, byDomain }: Grant, author: Mailbox, tags: string | null): boolean {
  const keys = byDomain.get(author.domain);
  return (
    any || (keys !== undefined && lookUp((key) => keys.has(key), author.localPart, tags) !== "no")
  );
}

/** Who logs on under an address needs no entry to write as it. */
function ownAddress(user: string): readonly Grant[] {
  return parseMailbox(user) === null ? [] : [toGrant([user])];
}

type May = OwnAuthorsFile["password"]["may"];

function grantsByName(may: May): (names: readonly string[]) => readonly Grant[] {
  const byName = new Map<string, Grant[]>();
  for (const [name, entries] of Object.entries(may)) {
    const key = name.toLowerCase();
    byName.set(key, [...(byName.get(key) ?? []), toGrant(entries)]);
  }
  return (names) => names.flatMap((name) => byName.get(name.toLowerCase()) ?? []);
}

function grantsByNetwork(may: May): (ip: string) => readonly Grant[] {
  const all = Object.entries(may).map(([name, entries]) => ({
    range: parseCidr(name),
    grant: toGrant(entries),
  }));
  const holds = (range: Cidr | null, ip: string) => range === null || isInside(ip, range);
  return (ip) => all.filter(({ range }) => holds(range, ip)).map(({ grant }) => grant);
}
