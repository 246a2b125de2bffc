import { z } from "zod";

/** Where a resource becomes short, and where it is no longer: between them nothing changes. */
export type Thresholds = {
  /** At or below it all is well again. */
  readonly normal: number;
  /** From here on mail of strangers is refused. */
  readonly medium: number;
  /** From here on all mail is refused. */
  readonly high: number;
};

/** `backPressure` of `limits.yaml`: when new mail is told to come later. */
export type BackPressureLimits = {
  /** Of the disk of dataDir, blocks or inodes. */
  readonly diskUsedPercent: Thresholds;
  /** Mail that rests in the spool. */
  readonly spoolEntries: Thresholds;
  /** Of `memory.totalBytes`, by messages under way. */
  readonly messageMemoryPercent: Thresholds;
  /** Of the memory that the machine or the container has, by our processes. */
  readonly processMemoryPercent: Thresholds;
  /** Of the machine's memory, by everybody. */
  readonly systemMemoryPercent: Thresholds;
};

const MAX_ENTRIES = 100_000_000;

function thresholds(unit: z.ZodNumber, byDefault: Thresholds) {
  return z
    .strictObject({
      normal: unit.default(byDefault.normal),
      medium: unit.default(byDefault.medium),
      high: unit.default(byDefault.high),
    })
    .refine(({ normal, medium }) => normal < medium, {
      path: ["normal"],
      message: "expected less than medium",
    })
    .refine(({ medium, high }) => medium < high, {
      path: ["medium"],
      message: "expected less than high",
    })
    .prefault({});
}

const percent = z.number().min(0).max(100);

/**
 * The shape is Exchange's. Its 10,000 entries count what waits to be routed; ours wait for a hub that
 * is down, and a day without it must fit. Memory may become fuller than Exchange lets it, because a
 * small machine with a scanner is nearly full on a good day.
 */
export const backPressureSchema: z.ZodType<BackPressureLimits> = z
  .strictObject({
    diskUsedPercent: thresholds(percent, { normal: 94, medium: 96, high: 98 }),
    spoolEntries: thresholds(z.int().min(0).max(MAX_ENTRIES), {
      normal: 80_000,
      medium: 100_000,
      high: 150_000,
    }),
    messageMemoryPercent: thresholds(percent, { normal: 75, medium: 90, high: 98 }),
    processMemoryPercent: thresholds(percent, { normal: 71, medium: 75, high: 85 }),
    systemMemoryPercent: thresholds(percent, { normal: 92, medium: 95, high: 98 }),
  })
  .prefault({});
