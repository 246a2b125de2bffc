import { z } from "zod";

const weight = z.number().min(0).max(9);
const score = z.number().min(0).max(100);

/** Where no score is given for a level. From 7 on nothing but exempt mail comes so far. */
const DEFAULT_SCORES = [0, 0, 0, 0, 0, 1, 2, 3, 3, 3] as const;

/** `reputation.yaml`, section `srl`. The formula that these numbers are for is in srl.ts. */
export const reputationOptions = z.strictObject({
  /** Of one client, before it is judged by its own past. */
  minMessages: z.int().min(5).max(10_000).default(20),
  /** The level from which a client is blocked; null: never. */
  blockAt: z.int().min(1).max(9).nullable().default(7),
  blockHours: z.int().min(1).max(720).default(24),
  /** How many points of nine each term has at most. */
  weights: z
    .strictObject({
      bad: weight.default(8),
      helo: weight.default(1.5),
      reverse: weight.default(1),
      unknownRecipients: weight.default(1.5),
      proxy: weight.default(3),
      /** Taken away for a proven name with a good past. */
      identity: weight.default(2),
    })
    .prefault({}),
  /** How bad one without a past is thought to be at most, because of those around him. */
  neighbours: z.number().min(0).max(0.8).default(0.6),
  /** Lists whose 127.0.0.4 to 127.0.0.7 mean an open proxy or a hijacked machine. */
  proxyZones: z.array(z.string().min(1)).max(50).default(["zen.spamhaus.org", "xbl.spamhaus.org"]),
  /** Without what reputation added: mail with this score is bad, or still good. */
  learn: z
    .strictObject({ badFrom: score.default(5), goodBelow: score.default(3) })
    .prefault({})
    .refine(({ badFrom, goodBelow }) => goodBelow <= badFrom, {
      error: "expected goodBelow to be at most badFrom",
    }),
  /** Of each level, 0 to 9. */
  scores: z
    .array(z.number().min(-100).max(100))
    .length(10)
    .default([...DEFAULT_SCORES]),
});

export type ReputationOptions = z.infer<typeof reputationOptions>;
