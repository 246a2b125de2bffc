/**
 * The contract of a virus scanner. A scan never throws and never leaves its outcome open: only
 * `clean` is clean, and whatever is neither clean nor infected is `not-scanned` with a reason.
 */
export type ScanResult = Clean | Infected | NotScanned;

export type Clean = { readonly kind: "clean" };

/** The scanner's own name for what it found: printable ASCII, at most MAX_NAME_CHARS. */
export type Infected = { readonly kind: "infected"; readonly name: string };

export type NotScanned = {
  readonly kind: "not-scanned";
  readonly class: NotScannedClass;
  readonly reason: string;
};

/**
 * `down`: no connection, or alive by no sign. `timeout`: not done within the limit. `too-big`: over
 * the scanner's or our own size limit. `busy`: no free slot. `error`: an answer that is neither
 * clean nor infected, or none at all.
 */
export type NotScannedClass = "down" | "timeout" | "too-big" | "busy" | "error";

export const CLEAN: Clean = Object.freeze({ kind: "clean" });

export function notScanned(reasonClass: NotScannedClass, reason: string): NotScanned {
  return { kind: "not-scanned", class: reasonClass, reason };
}

/** Octets that go to the scanner in one stream, with back-pressure. */
export interface ScanStream {
  /** Resolves when more may come. After the outcome is settled it drops what it gets. */
  write(chunk: Buffer): Promise<void>;
  /** True once there is an outcome, which before `end` can only be `not-scanned`. */
  settled(): boolean;
  /** No more octets; resolves with the outcome. Never rejects. */
  end(): Promise<ScanResult>;
  /** Gives the stream up. Harmless after `end`. */
  abort(): void;
}

/** Opens one stream to the scanner that a job was given. */
export type OpenScan = () => ScanStream;

/**
 * All scans of one message, made with the one scanner it is given. It may run again from the start
 * with another scanner when its result is `not-scanned`.
 */
export type ScanJob<T extends { readonly result: ScanResult }> = (open: OpenScan) => Promise<T>;

/** What came of a job, who did it, and who failed before. Plain JSON when the job's answer is. */
export type JobOutcome<T> = {
  /** Of the scanner that scanned it, else of the last that tried; null when the job never ran. */
  readonly answer: T | null;
  /** The answer's result, else why there is no answer. */
  readonly result: ScanResult;
  readonly address: string | null;
  readonly version: string | null;
  readonly failed: readonly { readonly address: string; readonly reason: string }[];
};

export interface Scanner {
  /**
   * Runs a job on the least busy scanner, holding one slot, and on the next when it was not
   * scanned. Never rejects unless the job does. Ends early with `timeout` when the signal aborts.
   */
  run<T extends { readonly result: ScanResult }>(
    job: ScanJob<T>,
    signal: AbortSignal,
  ): Promise<JobOutcome<T>>;
  /** Scans one source as it is, without looking into MIME. */
  scan(source: { read(): AsyncIterable<Buffer> }, signal: AbortSignal): Promise<ScanResult>;
  /** Asks every scanner for a sign of life and its version. */
  health(signal: AbortSignal): Promise<readonly ScannerHealth[]>;
  /** Ends all scans as not scanned. */
  close(): void;
}

export type ScannerHealth = {
  readonly address: string;
  readonly up: boolean;
  /** "ClamAV 1.4.6/27500/…" or null when it did not say. */
  readonly version: string | null;
  /** Milliseconds since the epoch; null when no signature database names its date. */
  readonly databaseDate: number | null;
  readonly reason: string | null;
};
