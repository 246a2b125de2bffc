import { z } from "zod";
import { type Cidr, parseCidr } from "../../net/ip.ts";
import type { TrustedRelays } from "../../policy/snapshot.ts";
import { fileEntryKey } from "./entry-key.ts";
import { createNetworkMap, maskTo, networkKey } from "./network-map.ts";
import { relayNetworkFault, relayTerms } from "./relay-entries.ts";
import {
  compileSenders,
  type EntryTerms,
  type SenderEntry,
  type SenderSubject,
  senderKeys,
  senderSchema,
} from "./sender-entries.ts";

/** Stages that nobody can be let past, so that a scope naming them would promise what is not. */
const NEVER_TRUSTED: readonly string[] = [
  "access",
  "sender-access",
  "spf-access",
  "from-access",
  "own-sender",
  "own-author",
  "sender-rate",
  "recipient-rate",
  "domains",
  "attachments",
  "antivirus",
];

const DAY_MS = 24 * 60 * 60 * 1000;
/** A value in a message is shown this far. */
const MAX_SHOWN_CHARS = 60;

const client = z.string().superRefine((text, context) => {
  const network = parseCidr(text);
  const got = JSON.stringify(text.slice(0, MAX_SHOWN_CHARS));
  if (network === null) {
    const message = `expected an IP address or a network such as 192.0.2.0/24, got ${got}`;
    context.addIssue({ code: "custom", message });
  } else if (hasHostBits(network)) {
    // Half of such entries are meant for one host, half for the network: the operator decides.
    const message = `expected a network without host bits, or a single address, got ${got}`;
    context.addIssue({ code: "custom", message });
  }
});

const relayClient = client.superRefine((text, context) => {
  const network = parseCidr(text);
  const message = network === null ? null : relayNetworkFault(network);
  if (message !== null) context.addIssue({ code: "custom", message });
});

const base = z.strictObject({
  /** An address or a network. Either this or `sender`. */
  client: client.optional(),
  sender: senderSchema.optional(),
  /** False, of a sender: also when neither SPF nor DKIM proves him, so that anybody may be him. */
  authenticated: z.boolean().optional(),
  /** Why the entry is there: for those who find it in two years. Never told to the client. */
  reason: z.string().trim().min(1),
  /** A date counts to its end (UTC); a time needs its zone. */
  expires: z.union([z.iso.date(), z.iso.datetime({ offset: true })]).optional(),
});

const stageName = z
  .string()
  .regex(/^[a-z][a-z0-9-]*$/)
  .refine((name) => !NEVER_TRUSTED.includes(name), {
    error: "expected a stage that trust can skip; this one sees all mail",
  });

const lists = z.strictObject({
  /** Spam stages named in `scope` (all without one) count for nothing. */
  allow: z
    .array(base.extend({ scope: z.array(stageName).min(1).optional() }))
    .superRefine(refuseHalfEntries)
    .superRefine(refuseTopLevels)
    .superRefine(refuseDuplicates)
    .default([]),
  block: z.array(base).superRefine(refuseHalfEntries).superRefine(refuseDuplicates).default([]),
  /** They bring mail of others, and those are judged. */
  trustedRelays: z
    .array(
      base
        .omit({ sender: true, client: true, authenticated: true })
        .extend({ client: relayClient, ...relayTerms }),
    )
    .superRefine(refuseDuplicates)
    .default([]),
});

/** One entry as it is judged, and as evidence keeps it. */
export type AccessEntry = EntryTerms & { readonly client: string };

export interface AccessOptions {
  readonly allow: readonly WrittenEntry[];
  readonly block: readonly WrittenEntry[];
  readonly trustedRelays: readonly z.infer<typeof lists>["trustedRelays"][number][];
  readonly relays: TrustedRelays;
  /**
   * The entry that counts for a client at a time: of those in force the one with the longest
   * prefix; of two equal ones the block.
   */
  find(ip: string, at: number): AccessEntry | null;
  /** The entries in force for a sender, the most specific first, of equal ones the block. */
  findSender(sender: SenderSubject, at: number): readonly SenderEntry[];
  /** All of `allow` and `block`, with where each stands. */
  entries(): readonly FileEntry[];
}

export type FileEntry = NamedEntry & {
  readonly fileKey: string;
  readonly path: readonly [EntryTerms["list"], number];
};

/** `access.yaml` */
export const accessOptions: z.ZodType<AccessOptions> = lists.transform((written) => {
  const entries = [
    ...written.allow.map((entry, index) => toEntry(entry, ["allow", index])),
    ...written.block.map((entry, index) => toEntry(entry, ["block", index])),
  ];
  const relays = compileRelays(written.trustedRelays);
  return { ...written, relays, ...compileAccess(entries.map(toTerms)), entries: () => entries };
});

function compileRelays(written: AccessOptions["trustedRelays"]): TrustedRelays {
  const relays = createNetworkMap(
    written.flatMap((relay) => {
      const network = parseCidr(relay.client);
      const endsAt = relay.expires === undefined ? null : endOf(relay.expires);
      return network === null ? [] : [{ network, value: { ...relay, endsAt } }];
    }),
  );
  return { find: (ip, at) => relays.find(ip).find(inForce(at)) ?? null };
}

/** An entry of one of the lists, wherever it is kept. */
export type NamedEntry = EntryTerms & Pick<WrittenEntry, "client" | "sender">;

/** Makes entries findable. Of equally specific ones the blocks come first. */
export function compileAccess(
  entries: readonly NamedEntry[],
): Pick<AccessOptions, "find" | "findSender"> {
  // Among equally specific entries the maps keep this order.
  const ordered = entries.toSorted(
    (a, b) => Number(a.list === "allow") - Number(b.list === "allow"),
  );
  const map = createNetworkMap(
    ordered.flatMap(({ client, sender: _sender, ...terms }) => {
      const network = client === undefined ? null : parseCidr(client);
      return network === null || client === undefined
        ? []
        : [{ network, value: { ...terms, client } }];
    }),
  );
  const senders = compileSenders(
    ordered.flatMap(({ client: _client, sender, ...terms }) =>
      sender === undefined ? [] : [{ ...terms, sender }],
    ),
  );
  return {
    find: (ip, at) => map.find(ip).find(inForce(at)) ?? null,
    findSender: (sender, at) => senders.find(sender).filter(inForce(at)),
  };
}

function inForce(at: number) {
  return ({ endsAt }: { readonly endsAt: number | null }) => endsAt === null || at < endsAt;
}

function hasHostBits({ octets, bits }: Cidr): boolean {
  return maskTo(octets, bits).some((octet, i) => octet !== octets[i]);
}

/** As written in the file, or kept by a command. */
export type WrittenEntry = z.infer<typeof base> & {
  readonly scope?: readonly string[] | undefined;
};

function toEntry({ expires, ...entry }: WrittenEntry, path: FileEntry["path"]): FileEntry {
  const [list] = path;
  const endsAt = expires === undefined ? null : endOf(expires);
  return { ...entry, list, endsAt, fileKey: fileEntryKey({ ...entry, list }), path };
}

function toTerms({ path: _path, ...entry }: FileEntry): NamedEntry {
  return entry;
}

function endOf(expires: string): number {
  const at = Date.parse(expires);
  return expires.includes("T") ? at : at + DAY_MS;
}

/** An entry is about a client or about a sender: both at once would read as "and" to half of all. */
function refuseHalfEntries(entries: readonly WrittenEntry[], context: z.RefinementCtx): void {
  for (const [index, { client, sender, authenticated }] of entries.entries()) {
    if (client !== undefined && authenticated !== undefined) {
      const message = "expected it beside `sender`: a client is known by its address";
      context.addIssue({ code: "custom", message, path: [index, "authenticated"] });
    }
    if ((client === undefined) !== (sender === undefined)) continue;
    const got = client === undefined ? "neither" : "both";
    const message = `expected either \`client\` or \`sender\`, got ${got}`;
    context.addIssue({ code: "custom", message, path: [index] });
  }
}

/** Everybody below `com` who signs his mail: a slip, or the end of the spam checks. */
function refuseTopLevels(entries: readonly WrittenEntry[], context: z.RefinementCtx): void {
  for (const [index, { sender }] of entries.entries()) {
    for (const [at, name] of (sender?.domainsAndSubdomains ?? []).entries()) {
      if (name.includes(".")) continue;
      const message = `expected a domain below a top level, got ${JSON.stringify(name)}`;
      const path = [index, "sender", "domainsAndSubdomains", at];
      context.addIssue({ code: "custom", message, path });
    }
  }
}

/** Two entries for one client in one list: nobody could say which reason and scope hold. */
function refuseDuplicates(
  entries: readonly Pick<WrittenEntry, "client" | "sender">[],
  context: z.RefinementCtx,
): void {
  const seen = new Set<string>();
  const note = (key: string, name: string, path: readonly (string | number)[]) => {
    if (seen.has(key)) {
      const message = `expected one entry a ${path[1]}, got a second for ${name}`;
      context.addIssue({ code: "custom", message, path: [...path] });
    }
    seen.add(key);
  };
  for (const [index, { client, sender }] of entries.entries()) {
    const network = client === undefined ? null : parseCidr(client);
    if (network !== null) note(networkKey(network), client ?? "", [index, "client"]);
    for (const { key, name, path } of sender === undefined ? [] : senderKeys(sender))
      note(key, name, [index, "sender", ...path]);
  }
}
