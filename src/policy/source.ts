import type { Problem } from "../base/errors.ts";

/** Where a value stands in its document. */
export type Path = readonly (string | number)[];

/** What a complaint points at: the key or (default) the value at the path. */
export type Target = "key" | "value";

/** Takes every mistake found; nobody stops at the first. */
export type Report = (problem: Problem) => void;

/** A value that an operator wrote, and the way to complain about any place in it. */
export interface Source {
  readonly value: unknown;
  complain(path: Path, message: string, target?: Target): void;
  /** On which line of its file the value at the path begins. */
  lineOf(path: Path): number;
  /** The value under `key`, complaining with the whole path. Undefined when there is none. */
  under(key: string): Source;
}

export function toSource(
  value: unknown,
  complain: (path: Path, message: string, target: Target) => void,
  lineOf: (path: Path) => number,
): Source {
  return {
    value,
    complain: (path, message, target = "value") => complain(path, message, target),
    lineOf,
    under: (key) =>
      toSource(
        memberOf(value, key),
        (path, message, target) => complain([key, ...path], message, target),
        (path) => lineOf([key, ...path]),
      ),
  };
}

/** Stands in for a file that is not there: nothing is written, so defaults hold. */
export function absentSource(file: string, report: Report): Source {
  return toSource(
    undefined,
    (path, message) => report({ file, line: 1, col: 1, path: path.join("."), message }),
    () => 1,
  );
}

function memberOf(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}
