import { z } from "zod";

/** What to do with mail that is no proven malware. `stamp`: a finding, and the mail goes on. */
const action = z.enum(["reject", "quarantine", "defer", "stamp"]);
export type AntivirusAction = z.infer<typeof action>;

/** clamd's own default StreamMaxLength since version 1.0. */
const MAX_BYTES = 100 * 1024 * 1024;

/**
 * `antivirus.yaml`. Nothing in it can deliver malware or a message that was not scanned: those who
 * want that take the stage out of pipeline.yaml, where everyone sees it.
 */
export const antivirusOptions = z.strictObject({
  onInfected: z.enum(["reject", "quarantine"]).default("reject"),
  /** Macros in Office documents (`AlertOLE2Macros yes` in clamd.conf). */
  onMacro: action.default("stamp"),
  /** Encrypted archives and documents (`AlertEncrypted yes`). */
  onEncrypted: action.default("quarantine"),
  /** Nested too deep, too many files, too large inside (`AlertExceedsMax yes`), or our own limits. */
  onLimits: action.default("quarantine"),
  onPhishing: action.default("stamp"),
  /** Potentially unwanted programs (`DetectPUA yes`). */
  onPua: action.default("stamp"),
  /**
   * Larger than `maxBytes` or clamd's StreamMaxLength. The two should be equal: clamd resets the
   * connection when it refuses, and now and then that looks like any other failure.
   */
  onOversize: z.enum(["reject", "quarantine", "defer"]).default("defer"),
  /** The scanner is away, hung, busy, or answers nonsense. */
  onNotScanned: z.enum(["defer", "quarantine"]).default("defer"),
  /** Also scan each decoded part by itself, for what clamd's own MIME parser may miss. */
  scanParts: z.boolean().default(true),
  maxBytes: z.int().positive().default(MAX_BYTES),
});

export type AntivirusOptions = z.infer<typeof antivirusOptions>;
