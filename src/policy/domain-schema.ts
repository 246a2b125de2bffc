import { z } from "zod";
import { callOutSchema } from "./call-out-rules.ts";
import type { DomainPattern } from "./domain-pattern.ts";
import { durationSchema } from "./duration.ts";
import { parsePublicKey } from "./export-key.ts";
import { thresholdsSchema } from "./thresholds.ts";

const KiB = 1024;
const GiB = 1024 * 1024 * KiB;

const recipients = z.strictObject({
  list: z.array(z.string()).min(1).optional(),
  file: z.string().min(1).optional(),
  /** A signed file of `postern recipients export`. */
  hashed: z.string().min(1).optional(),
  key: z
    .string()
    .refine((text) => parsePublicKey(text) !== null, {
      message: "expected the 44 characters of a public key, as keygen prints it",
    })
    .optional(),
  fresh: durationSchema("1m", "52w").optional(),
  stale: z.enum(["accept", "defer"]).optional(),
  /** What parts a mailbox from its tag. No letter, digit or dot: those are in names. */
  tags: z.enum(["+", "-", "=", "#", "_"]).optional(),
});

const domainSchema = z.preprocess(
  // `example.org:` with nothing behind it means all defaults.
  (value) => value ?? {},
  z.strictObject({
    type: z.enum(["authoritative", "internal-relay", "external-relay"]).default("authoritative"),
    recipients: recipients.optional(),
    verify: z
      .union([z.enum(["call-out", "off"]), z.strictObject({ callOut: callOutSchema })])
      .optional(),
    ack: z.enum(["hub", "spool"]).default("hub"),
    lineEndings: z.enum(["refuse", "normalise"]).default("refuse"),
    thresholds: thresholdsSchema.optional(),
    limits: z
      .strictObject({
        // RFC 5321 4.5.3.1.7: 64 KiB of content must work.
        maxBytes: z
          .int()
          .min(64 * KiB)
          .max(2 * GiB)
          .optional(),
        recipients: z.int().min(1).max(100_000).optional(),
      })
      .optional(),
    skip: z.array(z.string()).min(1).optional(),
  }),
);

export type DomainEntry = z.infer<typeof domainSchema>;
export type RecipientsEntry = z.infer<typeof recipients>;

export const domainsSchema = z.strictObject({
  domains: z.record(z.string(), domainSchema).default({}),
});

/** A domain of the file that is one. */
export interface NamedDomain {
  /** As the operator wrote it: where to point at. */
  readonly key: string;
  readonly pattern: DomainPattern;
  readonly entry: DomainEntry;
}
