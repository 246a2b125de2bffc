import { z } from "zod";
import type { Phase } from "../pipeline/report.ts";
import { checkShape } from "./check-shape.ts";
import { ownAuthorsSchema } from "./own-authors.ts";
import type { Source } from "./source.ts";
import {
  DEFAULT_THRESHOLDS,
  MAX_SCORE,
  thresholdsFault,
  thresholdsSchema,
  withDefaults,
} from "./thresholds.ts";

/** behaviour.md section 5: how long all checks of a phase may take together. */
const DEFAULT_BUDGET_MS: { readonly [P in Phase]: number } = {
  connect: 5000,
  helo: 2000,
  mail: 8000,
  rcpt: 8000,
  data: 60_000,
};

/** SCL 1 to 9 begin at these scores; 7 is where the shipped quarantine begins. */
const DEFAULT_SCL: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 9, 12];

/** What mail from outside may not say: the hub would believe it. */
const DEFAULT_FIREWALL: readonly string[] = [
  "X-MS-Exchange-Organization-*",
  "X-MS-Exchange-Forest-*",
  "X-MS-Exchange-CrossTenant-*",
  "X-MS-Exchange-CrossPremises-*",
];

const milliseconds = z
  .int()
  .min(10)
  .max(10 * 60_000);

const placementSchema = z.strictObject({
  stage: z.string(),
  mode: z.enum(["enforce", "observe"]).default("enforce"),
  onFailure: z.enum(["open", "closed", "hold"]).optional(),
  timeoutMs: milliseconds.optional(),
});

const stepSchema = z.array(z.union([z.string(), placementSchema])).min(1);

const phaseSchema = (phase: Phase) =>
  z
    .strictObject({
      budgetMs: milliseconds.default(DEFAULT_BUDGET_MS[phase]),
      steps: z.array(stepSchema).optional(),
    })
    .prefault({});

const headerPattern = z.string().regex(/^[!-)+-9;-~]+\*?$/, "expected a header name or prefix*");

const outboundPhaseSchema = z
  .strictObject({ budgetMs: milliseconds.optional(), steps: z.array(stepSchema).optional() })
  .optional();

/** Mail of those who may relay. A phase that is left out is made of the one for strangers. */
const outboundSchema = z.strictObject({
  mode: z.enum(["enforce", "monitor"]).optional(),
  phases: z
    .strictObject({
      connect: outboundPhaseSchema,
      helo: outboundPhaseSchema,
      mail: outboundPhaseSchema,
      rcpt: outboundPhaseSchema,
      data: outboundPhaseSchema,
    })
    .prefault({}),
  thresholds: thresholdsSchema.default({}),
  ownSenders: z.array(z.enum(["network", "certificate", "password"])).default(["password"]),
  ownAuthors: ownAuthorsSchema,
  headers: z
    .strictObject({
      remove: z.array(headerPattern).max(1000).default([]),
      received: z.enum(["keep", "remove"]).default("keep"),
      verdict: z.enum(["keep", "remove"]).default("keep"),
    })
    .prefault({}),
});

const pipelineSchema = z.strictObject({
  mode: z.enum(["enforce", "monitor"]).default("enforce"),
  phases: z
    .strictObject({
      connect: phaseSchema("connect"),
      helo: phaseSchema("helo"),
      mail: phaseSchema("mail"),
      rcpt: phaseSchema("rcpt"),
      data: phaseSchema("data"),
    })
    .prefault({}),
  thresholds: thresholdsSchema
    .default({})
    .transform((some) => withDefaults(some, DEFAULT_THRESHOLDS)),
  scl: z
    .array(z.number().min(-MAX_SCORE).max(MAX_SCORE))
    .length(9)
    .default([...DEFAULT_SCL]),
  scores: z
    .record(
      z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/, "expected a symbol in upper case"),
      z.number().min(-MAX_SCORE).max(MAX_SCORE),
    )
    .default({}),
  headers: z
    .strictObject({
      spamCompatibility: z.boolean().default(true),
      firewall: z
        .array(headerPattern)
        .max(1000)
        .default([...DEFAULT_FIREWALL]),
    })
    .prefault({}),
  outbound: outboundSchema.prefault({}),
});

/** `pipeline.yaml` with its defaults; a phase without steps takes every shipped stage of it. */
export type PipelineFile = z.infer<typeof pipelineSchema>;

export type PlacedStage = z.infer<typeof stepSchema>[number];

/** Undefined after problems were reported. */
export function checkPipelineFile(source: Source): PipelineFile | undefined {
  const file = checkShape(pipelineSchema, source);
  if (!file) return undefined;
  const fault = thresholdsFault(file.thresholds);
  if (fault !== null) source.complain(["thresholds"], fault);
  const ofOurs = thresholdsFault(withDefaults(file.outbound.thresholds, file.thresholds));
  if (ofOurs !== null && fault === null) source.complain(["outbound", "thresholds"], ofOurs);
  for (const [index, least] of file.scl.entries()) {
    if (index === 0 || least > (file.scl[index - 1] ?? 0)) continue;
    source.complain(["scl", index], `expected more than ${file.scl[index - 1]}, got ${least}`);
  }
  return file;
}
