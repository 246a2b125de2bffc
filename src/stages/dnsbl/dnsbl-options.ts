import { z } from "zod";
import { toQueryName } from "../../net/dns-name.ts";
import { parseAnswerFilter } from "./answer-filter.ts";

/** Every list is a query for every client, and a transaction has fifty. */
const MAX_LISTS = 32;
/** An IPv6 client puts 32 nibbles and dots before the zone, of 253 characters together. */
const MAX_ZONE_LENGTH = 189;
/** The answers of a list that says nothing else: all but 127.0.0.1, which is never listed. */
const DEFAULT_ANSWERS = ["127.0.0.[2..254]"];

const zone = z
  .string()
  .toLowerCase()
  .refine((text) => text.length <= MAX_ZONE_LENGTH && toQueryName(text).kind === "valid", {
    error: ({ input }) => `expected the name of a DNS zone, got ${JSON.stringify(input)}`,
  });

const answerFilter = z.string().refine((text) => parseAnswerFilter(text) !== null, {
  error: ({ input }) =>
    `expected answers such as 127.0.0.2 or 127.0.0.[2..11;20], got ${JSON.stringify(input)}`,
});

const list = z.strictObject({
  zone,
  /** Stands for the zone in replies, symbols, logs and metrics: a zone name may hold a paid key. */
  name: zone.optional(),
  /** Only these answers are a listing. */
  answers: z.array(answerFilter).min(1).default(DEFAULT_ANSWERS),
  /** Counts once, however many answers match; negative for a list of good clients. */
  score: z.number(),
  /** False for a zone without the test entries of RFC 5782 5. */
  canary: z.boolean().default(true),
});

/** See zone-rate.ts. */
const breaker = z.strictObject({
  factor: z.number().min(1.5).max(100).default(4),
  baseline: z.number().min(0).max(0.95).nullable().default(null),
});

/** Below the time limit of the stage, so that one slow list does not take the answers of all. */
const MAX_WAIT_MS = 3500;

export const dnsblOptions = z.strictObject({
  lists: z.array(list).max(MAX_LISTS).default([]),
  /** A sum of scores at or above it refuses the client; null: the sum only counts as spam score. */
  rejectAt: z.number().positive().nullable().default(6),
  /** A list that takes longer counts for nothing this time; the others still do. */
  waitMs: z.int().min(100).max(MAX_WAIT_MS).default(3000),
  /** A zone that suddenly lists far more clients than by habit refuses nobody; null: it does. */
  breaker: breaker.nullable().prefault({}),
});

/** `dnsbl.yaml` */
export type DnsblOptions = z.infer<typeof dnsblOptions>;
export type DnsList = DnsblOptions["lists"][number];

/** The lists that stand for one zone, in the order of the file. */
export interface ListedZone {
  readonly zone: string;
  readonly label: string;
  readonly canary: boolean;
  readonly lists: readonly DnsList[];
}

/** One zone may be listed several times, with other answers and scores; it is asked once. */
export function groupByZone(options: DnsblOptions): readonly ListedZone[] {
  return [...Map.groupBy(options.lists, ({ zone }) => zone)].map(([zone, lists]) => ({
    zone,
    label: lists.find(({ name }) => name !== undefined)?.name ?? zone,
    canary: lists.every(({ canary }) => canary),
    lists,
  }));
}
