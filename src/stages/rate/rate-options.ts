import { z } from "zod";
import type { RateLimit } from "../../reputation/rate-counters.ts";

const amount = z.int().min(1).max(100_000_000);

/** Null: not counted. */
const limit = (standard: { readonly perHour: number; readonly atOnce: number } | null) =>
  z.strictObject({ perHour: amount, atOnce: amount }).nullable().default(standard);

/**
 * As shipped only what no honest mail server of this world reaches at a gateway of this size is too
 * much. Networks, senders and our domains are counted only when asked for: many share a network, and
 * a flood to one domain would keep out its honest mail.
 */
export const connectionRateOptions = z.strictObject({
  client: limit({ perHour: 3600, atOnce: 600 }),
  network: limit(null),
});

export const messageRateOptions = z.strictObject({
  client: limit({ perHour: 3600, atOnce: 1000 }),
  network: limit(null),
  sender: limit(null),
});

export const recipientRateOptions = z.strictObject({
  client: limit({ perHour: 10_000, atOnce: 3000 }),
  network: limit(null),
  sender: limit(null),
  recipientDomain: limit(null),
});

/** By whom or what is counted. */
export type RateSubject = keyof z.infer<typeof recipientRateOptions>;
export type RateOptions = {
  readonly [S in RateSubject]?: { readonly perHour: number; readonly atOnce: number } | null;
};

export function toRateLimit({
  perHour,
  atOnce,
}: {
  readonly perHour: number;
  readonly atOnce: number;
}): RateLimit {
  return { capacity: atOnce, perHour };
}
