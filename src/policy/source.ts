import type { Problem } from "../base/errors.ts";

/** Where a value stands in its document. */
export type Path = readonly (string | number)[];

/** Lines and columns count from 1. */
export interface Position {
  readonly line: number;
  readonly col: number;
}

/** Takes every mistake found; nobody stops at the first. */
export type Report = (problem: Problem) => void;

/** A value that an operator wrote, and the way to complain about any place in it. */
export interface Source {
  readonly value: unknown;
  /** `target` is what the column points at: the key or (default) the value at `path`. */
  complain(path: Path, message: string, target?: "key" | "value"): void;
  /** The value under `key`, complaining with the whole path. Undefined when there is none. */
  under(key: string): Source;
}

/** What stands in for a file that is not there: nothing is written, so nothing is wrong. */
export function absentSource(file: string, report: Report): Source {
  return toSource(file, undefined, () => ({ line: 1, col: 1 }), report, []);
}

export function toSource(
  file: string,
  value: unknown,
  locate: (path: Path, target: "key" | "value") => Position,
  report: Report,
  prefix: Path,
): Source {
  return {
    value,
    complain(path, message, target = "value") {
      const whole = [...prefix, ...path];
      report({ file, ...locate(whole, target), path: whole.join("."), message });
    },
    under: (key) => toSource(file, memberOf(value, key), locate, report, [...prefix, key]),
  };
}

function memberOf(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}
