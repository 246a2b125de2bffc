/** Something outside us that we need is away, hung or lying. Thrown; the runner catches it. */
export class Unavailable extends Error {
  /** What is away, in an operator's word: "clamd", "dns", "hub", "quarantine". */
  readonly dependency: string;

  constructor(dependency: string, reason: string, options?: ErrorOptions) {
    super(`${dependency}: ${reason}`, options);
    this.name = "Unavailable";
    this.dependency = dependency;
  }
}

/** One mistake in a file that an operator wrote. Lines and columns count from 1. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly col: number;
  /** Where in the document, dotted: `lists.0.zone`. Empty for the whole file. */
  readonly path: string;
  /** "expected X, got Y", and for a typo the nearest valid key. */
  readonly message: string;
}

/** Settings or policy cannot be used. Carries every problem found, not only the first. */
export class PolicyError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join("\n"));
    this.name = "PolicyError";
    this.problems = problems;
  }
}

/** `file:line:col  path: message` */
export function formatProblem(problem: Problem): string {
  const where = `${problem.file}:${problem.line}:${problem.col}`;
  return problem.path === ""
    ? `${where}  ${problem.message}`
    : `${where}  ${problem.path}: ${problem.message}`;
}

/** The text of anything thrown, for a log field. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
