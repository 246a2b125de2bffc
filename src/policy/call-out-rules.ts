import { z } from "zod";
import { parseMailbox } from "../mail/address.ts";
import { show } from "./check-shape.ts";
import { durationSchema } from "./duration.ts";
import type { CallOutRules } from "./snapshot.ts";

/**
 * Questions to the hub for one domain. An organisation's true correspondents seldom name so many new
 * recipients in a minute, and no hub minds so few.
 */
const PER_MINUTE = 300;
const MAX_PER_MINUTE = 60_000;

const sender = z.string().transform((text, context) => {
  if (text === "<>") return null;
  const address = parseMailbox(text);
  if (address) return address;
  const message = `expected an address, or <> for none, got ${show(text)}`;
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

/** `verify: { callOut: … }` of a domain. A mailbox seldom goes away; a new one must not stay unknown. */
export const callOutSchema = z.preprocess(
  (value) => value ?? {},
  z.strictObject({
    positive: durationSchema("0s", "7d").prefault("1h"),
    negative: durationSchema("0s", "1d").prefault("5m"),
    sender: sender.prefault("<>"),
    perMinute: z.int().min(1).max(MAX_PER_MINUTE).default(PER_MINUTE),
  }),
);

/** `countedAs` is what shares `perMinute`: all of a wildcard's subdomains together. */
export function toCallOutRules(
  { positive, negative, sender: from, perMinute }: z.infer<typeof callOutSchema>,
  countedAs: string,
): CallOutRules {
  return { positiveMs: positive, negativeMs: negative, sender: from, perMinute, countedAs };
}

export function defaultCallOutRules(countedAs: string): CallOutRules {
  return toCallOutRules(callOutSchema.parse({}), countedAs);
}
