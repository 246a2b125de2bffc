import { z } from "zod";
import type { Thresholds } from "../pipeline/plan.ts";

/** A score beyond this is a slip of the keyboard. */
export const MAX_SCORE = 1000;

const least = z.number().min(-MAX_SCORE).max(MAX_SCORE).nullable();

/** Quarantine on much, reject on nothing: a score alone never refuses in the shipped policy. */
export const DEFAULT_THRESHOLDS: Thresholds = { quarantine: 7, reject: null };

/** What a file may set; the rest is the default's. */
export const thresholdsSchema = z.strictObject({
  quarantine: least.optional(),
  reject: least.optional(),
});

export type SomeThresholds = z.infer<typeof thresholdsSchema>;

export function withDefaults(some: SomeThresholds, defaults: Thresholds): Thresholds {
  const { quarantine = defaults.quarantine, reject = defaults.reject } = some;
  return { quarantine, reject };
}

/** Null, or what is wrong: a reject below the quarantine leaves the quarantine without effect. */
export function thresholdsFault({ quarantine, reject }: Thresholds): string | null {
  if (quarantine === null || reject === null || quarantine <= reject) return null;
  return `expected quarantine (${quarantine}) at or below reject (${reject})`;
}
