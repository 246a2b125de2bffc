import { z } from "zod";
import type { RateLimit } from "../../reputation/rate-counters.ts";
import type { SenderIdentity } from "./sender-identity.ts";

const amount = z.int().min(1).max(10_000_000);
const MAX_EXCEPTIONS = 10_000;

export interface SenderRateOptions {
  readonly perHour: number;
  readonly atOnce: number;
  readonly for: ReadonlyMap<string, { readonly perHour: number; readonly atOnce: number }>;
}

/** A section of `rates.yaml`, with these defaults. */
export function senderRateOptions(defaults: {
  readonly perHour: number;
  readonly atOnce: number;
}): z.ZodType<SenderRateOptions> {
  return z
    .strictObject({
      perHour: amount.default(defaults.perHour),
      atOnce: amount.default(defaults.atOnce),
      for: z
        .record(z.string().min(1).max(320), z.strictObject({ perHour: amount, atOnce: amount }))
        .refine((all) => Object.keys(all).length <= MAX_EXCEPTIONS, {
          error: `expected at most ${MAX_EXCEPTIONS} names`,
        })
        .default({}),
    })
    .transform(({ for: exceptions, ...rest }) => ({
      ...rest,
      for: new Map(Object.entries(exceptions).map(([name, own]) => [name.toLowerCase(), own])),
    }));
}

/** An exception names a user, an address of a sender, or a client. */
export function limitFor(options: SenderRateOptions, { name }: SenderIdentity): RateLimit {
  const { perHour, atOnce } = options.for.get(name) ?? options;
  return { capacity: atOnce, perHour };
}
