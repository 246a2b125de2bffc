/** What every command gets: where to speak, and how it was called. */
export interface CliContext {
  /** One line for standard output, without its line break. */
  out(line: string): void;
  /** One line for standard error: progress, warnings, mistakes. */
  err(line: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths on the command line count from here. */
  readonly cwd: string;
  /** What `--settings` named; absent: the default places (behaviour.md section 3). */
  readonly settingsFile?: string;
  /** Answer programs, not people: one object, or one a line for lists. */
  readonly json: boolean;
  /** Columns of the terminal; null or absent: a file or a pipe, nothing is cut. */
  readonly width?: number | null;
}

/** Exit codes of behaviour.md section 2. */
export const EXIT = {
  ok: 0,
  /** A negative answer: not found, would be refused, a test failed. */
  negative: 1,
  /** Wrong usage or settings. */
  usage: 2,
} as const;
