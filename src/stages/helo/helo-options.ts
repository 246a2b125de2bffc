import { z } from "zod";

/** Section `helo` of `connection.yaml`. */
export const heloOptions = z.strictObject({
  /** Who says our own host name, or an address of ours that is not his. */
  ownName: z.enum(["reject", "stamp"]).default("reject"),
  scores: z
    .strictObject({
      ownName: z.number().default(4),
      /** A domain that we accept mail for, and no host in it. */
      ownDomain: z.number().default(3),
      literalDiffers: z.number().default(2),
      bareAddress: z.number().default(2),
      malformed: z.number().default(0.5),
      singleLabel: z.number().default(1),
      unresolved: z.number().default(0.5),
    })
    .prefault({}),
});

export type HeloOptions = z.infer<typeof heloOptions>;
