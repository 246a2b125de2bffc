import { z } from "zod";
import { type Cidr, parseCidr } from "../../net/ip.ts";
import { createNetworkMap, maskTo, networkKey } from "./network-map.ts";

/** Stages that nobody can be let past, so that a scope naming them would promise what is not. */
const NEVER_TRUSTED: readonly string[] = [
  "access",
  "own-sender",
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

const base = z.strictObject({
  /** An address or a network. */
  client,
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
    .superRefine(refuseDuplicates)
    .default([]),
  block: z.array(base).superRefine(refuseDuplicates).default([]),
});

/** One entry as it is judged. */
export interface AccessEntry {
  readonly list: "allow" | "block";
  readonly client: string;
  readonly reason: string;
  /** Absent: every spam stage. */
  readonly scope?: readonly string[] | undefined;
  /** Milliseconds since the epoch from which it has no effect; null: never. */
  readonly endsAt: number | null;
}

export interface AccessOptions {
  readonly allow: readonly z.infer<typeof lists>["allow"][number][];
  readonly block: readonly z.infer<typeof lists>["block"][number][];
  /**
   * The entry that counts for a client at a time: of those in force the one with the longest
   * prefix; of two equal ones the block.
   */
  find(ip: string, at: number): AccessEntry | null;
}

/** `access.yaml` */
export const accessOptions: z.ZodType<AccessOptions> = lists.transform((written) => {
  const entries: AccessEntry[] = [
    // Blocks first: among equally specific entries the map keeps this order.
    ...written.block.map((entry) => toEntry("block", entry)),
    ...written.allow.map((entry) => toEntry("allow", entry)),
  ];
  const map = createNetworkMap(
    entries.flatMap((value) => {
      const network = parseCidr(value.client);
      return network === null ? [] : [{ network, value }];
    }),
  );
  return {
    ...written,
    find: (ip, at) => map.find(ip).find(({ endsAt }) => endsAt === null || at < endsAt) ?? null,
  };
});

function hasHostBits({ octets, bits }: Cidr): boolean {
  return maskTo(octets, bits).some((octet, i) => octet !== octets[i]);
}

type Written = z.infer<typeof base> & { readonly scope?: readonly string[] | undefined };

function toEntry(list: AccessEntry["list"], entry: Written): AccessEntry {
  const { client, reason, scope, expires } = entry;
  return { list, client, reason, scope, endsAt: expires === undefined ? null : endOf(expires) };
}

function endOf(expires: string): number {
  const at = Date.parse(expires);
  return expires.includes("T") ? at : at + DAY_MS;
}

/** Two entries for one client in one list: nobody could say which reason and scope hold. */
function refuseDuplicates(entries: readonly Written[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const network = parseCidr(entry.client);
    if (network === null) continue;
    const key = networkKey(network);
    if (seen.has(key)) {
      const message = `expected one entry a client, got a second for ${entry.client}`;
      context.addIssue({ code: "custom", message, path: [index, "client"] });
    }
    seen.add(key);
  }
}
