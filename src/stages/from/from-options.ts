import { z } from "zod";
import { parseMailbox } from "../../mail/address.ts";
import { nameWords } from "./name-words.ts";

const scores = z.strictObject({
  /** Where a malformed From is only stamped or held. */
  malformed: z.number().default(4),
  /** From one of our domains, and neither SPF nor DKIM vouches for it. */
  ownDomain: z.number().default(3),
  /** The shown name holds an address of ours, or of another domain than the real one. */
  nameHoldsOwn: z.number().default(3),
  nameHoldsOther: z.number().default(1),
  /** The shown name is that of a protected person, the address is none of his. */
  vipName: z.number().default(4),
});

const address = z
  .string()
  .refine(
    (text) => (parseMailbox(text)?.domain ?? "") !== "",
    "expected an address such as a@b.test",
  )
  .transform((text) => text.toLowerCase());

const vip = z.strictObject({
  name: z.string().refine((text) => nameWords(text).length > 0, "expected a name with letters"),
  addresses: z.array(address).default([]),
});

export const fromOptions = z.strictObject({
  malformed: z.enum(["reject", "quarantine", "stamp"]).default("reject"),
  /** People whose names are used to deceive. */
  vips: z.array(vip).max(1000).default([]),
  scores: scores.prefault({}),
});

export type FromOptions = z.infer<typeof fromOptions>;
