import { z } from "zod";
import type { RateLimit } from "../../reputation/rate-counters.ts";

const amount = z.int().min(1).max(100_000_000);

/** Null: not counted. */
const limit = z.strictObject({ perHour: amount, atOnce: amount }).nullable().default(null);

/**
 * As shipped nothing is counted here. One client may be a filter or a backup MX that brings all mail
 * there is, many share a network, and a flood to one domain would keep out its honest mail: only the
 * operator knows. What the door counts (limits.yaml `connections`) holds for everybody.
 */
export const connectionRateOptions = z.strictObject({ client: limit, network: limit });

export const messageRateOptions = z.strictObject({ client: limit, network: limit, sender: limit });

export const recipientRateOptions = z.strictObject({
  client: limit,
  network: limit,
  sender: limit,
  recipientDomain: limit,
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
