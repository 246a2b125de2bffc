import type { BigIntStats } from "node:fs";
import { stat } from "node:fs/promises";

/** What files looked like from outside, by absolute path; see markOf. */
export type Marks = ReadonlyMap<string, string>;

/** What a file or folder looks like from outside; changes with every write and every rename. */
export async function markOf(path: string): Promise<string> {
  return stat(path, { bigint: true }).then(toMark, () => "absent");
}

export async function marksOf(paths: Iterable<string>): Promise<Marks> {
  const marks = new Map<string, string>();
  for (const path of paths) marks.set(path, await markOf(path));
  return marks;
}

export function toMark(stats: BigIntStats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(":");
}
