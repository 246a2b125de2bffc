import type { Clock } from "../../base/clock.ts";
import { defineStage, type Stage } from "../../pipeline/stage.ts";
import { type AntivirusOptions, antivirusOptions } from "./antivirus-options.ts";
import { type AntivirusEvidence, judgeScan } from "./judge-scan.ts";
import { scanMessage } from "./scan-message.ts";
import type { Scanner } from "./scanner.ts";

export interface AntivirusServices {
  /** null only when the settings say `clamd: none`. */
  readonly scanner: Scanner | null;
  readonly clock: Clock;
}

/** Below the data budget of 60 s, above the scanner's own limit, which says more in the evidence. */
const TIMEOUT_MS = 55_000;

/**
 * Viruses, by clamd: the raw message first, then each decoded part. Nobody is trusted past it, and
 * what was not scanned is never delivered.
 */
export const antivirusStage: Stage<"data", AntivirusServices> = defineStage<
  "data",
  AntivirusOptions,
  AntivirusEvidence,
  AntivirusServices
>({
  name: "antivirus",
  phase: "data",
  timeoutMs: TIMEOUT_MS,
  onFailure: "closed",
  trustable: false,
  file: "antivirus",
  options: antivirusOptions,

  async observe({ message }, options, { scanner, clock }, signal) {
    if (scanner === null) return { kind: "off" };
    const started = clock.monotonic();
    const { answer, ...outcome } = await scanner.run(
      (open) => scanMessage(message, open, options),
      signal,
    );
    const ms = Math.round(clock.monotonic() - started);
    return { kind: "scanned", scan: answer, ms, ...outcome };
  },

  judge: judgeScan,
});
