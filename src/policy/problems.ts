import type { Problem } from "../base/errors.ts";

/** A problem with a file as a whole. */
export function wholeFile(file: string, message: string): Problem {
  return { file, line: 1, col: 1, path: "", message };
}

/** By file and place; stages that share a file find the same mistake, which is told once. */
export function sortProblems(problems: readonly Problem[]): readonly Problem[] {
  const once = new Map(problems.map((problem) => [JSON.stringify(problem), problem]));
  return [...once.values()].toSorted(
    (a, b) => compareText(a.file, b.file) || a.line - b.line || a.col - b.col,
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
