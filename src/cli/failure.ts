import { errorText, formatProblem, PolicyError } from "../base/errors.ts";
import { type ControlCode, ControlError } from "../control/control.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

/** Answers to the question; everything else means that there was none. */
const NEGATIVE: ReadonlySet<ControlCode> = new Set(["not-found", "refused"]);

/** A question that cannot be asked like this, in a sentence that says how; gives the exit code. */
export function refuseUsage({ err, json }: CliContext, text: string): number {
  err(json ? toJsonLine({ error: text, code: "usage" }) : toVisible(text));
  return EXIT.usage;
}

/** Says what went wrong on standard error; gives the exit code. */
export function reportFailure({ err, json }: CliContext, error: unknown): number {
  if (error instanceof PolicyError) {
    for (const problem of error.problems) err(toVisible(formatProblem(problem)));
    return EXIT.usage;
  }
  const code = error instanceof ControlError ? error.code : "failed";
  if (json) err(toJsonLine({ error: errorText(error), code }));
  else err(toVisible(errorText(error)));
  return NEGATIVE.has(code) ? EXIT.negative : EXIT.usage;
}
