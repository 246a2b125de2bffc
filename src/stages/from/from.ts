import { authorFields, readAuthor } from "../../mail/author.ts";
import { defineStage, type Stage } from "../../pipeline/stage.ts";
import { type FromOptions, fromOptions } from "./from-options.ts";
import { type FromEvidence, judgeFrom } from "./judge-from.ts";

/** It reads what is in memory. */
const TIMEOUT_MS = 2000;
/** What a person needs to see what was wrong. */
const MAX_FIELDS_KEPT = 3;
const MAX_FIELD_KEPT = 300;

/**
 * Whether From names exactly one sender (RFC 5322 3.6.2, threats.md A2), and whether it deceives. Runs
 * after SPF and DKIM, whose results it needs, and before DMARC, which is blind without one author.
 */
export const fromStage: Stage<"data", object> = defineStage<
  "data",
  FromOptions,
  FromEvidence,
  object
>({
  name: "from",
  phase: "data",
  timeoutMs: TIMEOUT_MS,
  onFailure: "closed",
  trustable: true,
  concerns: "strangers",
  precedes: ["dmarc"],
  file: "sender-auth",
  section: "from",
  options: fromOptions,

  async observe({ message: { headers } }) {
    const fields = authorFields(headers);
    const kept = fields
      .slice(0, MAX_FIELDS_KEPT)
      .map(({ name, rawValue }) => `${name}:${rawValue}`.slice(0, MAX_FIELD_KEPT));
    return { author: readAuthor(headers), fields: kept, count: fields.length };
  },

  judge: judgeFrom,
});
