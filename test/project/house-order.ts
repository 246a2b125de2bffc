import { posix } from "node:path";

/** One broken rule, as a reader of the test's failure needs it. */
export interface Breach {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
}

/** What a file imports, in any form: static, dynamic, type, re-export, worker URL. */
export interface Import {
  readonly from: string;
  readonly line: number;
}

/**
 * The folder table of docs/architecture.md, top to bottom; a place may import only lower ones. One
 * reading differs from the table: commands start the product, so cli/ stands above compose.ts and
 * settings.ts, and neither of them may know a command.
 */
export const HOUSE: readonly string[] = [
  "main.ts",
  "cli",
  "compose.ts",
  "settings.ts",
  "console",
  "doctor",
  "notify",
  "control",
  "workers",
  "gateway",
  "relay",
  "stages",
  "policy",
  "tracking",
  "quarantine",
  "reputation",
  "spool",
  "content",
  "pipeline",
  "auth",
  "smtp",
  "mail",
  "net",
  "base",
];

/** The one file of stages/ that knows every stage. */
const CATALOG = "catalog.ts";

/** Where a file of src/ lives. `compose-ground.ts` is a part of `compose.ts`. */
export function placeOf(file: string): string | undefined {
  const [first = "", ...rest] = file.split("/");
  const place = rest.length === 0 ? first.replace(/-[a-z0-9-]+\.ts$/, ".ts") : first;
  return HOUSE.includes(place) ? place : undefined;
}

/** `file` and the answer's paths are relative to src/. */
export function findWrongArrows(file: string, imports: readonly Import[]): readonly Breach[] {
  const place = placeOf(file);
  if (place === undefined) return [{ file, line: 1, rule: "lives in a place the house lacks" }];
  return imports.flatMap(({ from, line }) => {
    const rule = judgeArrow(file, place, from);
    return rule === undefined ? [] : [{ file, line, rule }];
  });
}

function judgeArrow(file: string, place: string, from: string): string | undefined {
  if (!from.startsWith(".")) return undefined;
  if (!from.endsWith(".ts")) return `imports ${from} without its .ts`;
  const target = posix.join(posix.dirname(file), from);
  if (target.startsWith("..")) return `imports ${from}, outside src/`;
  const targetPlace = placeOf(target);
  if (targetPlace === undefined) return `imports ${target}, from a place the house lacks`;
  if (HOUSE.indexOf(targetPlace) < HOUSE.indexOf(place)) return `imports upward: ${target}`;
  return isAnotherStage(file, target) ? `imports another stage: ${target}` : undefined;
}

function isAnotherStage(file: string, target: string): boolean {
  const [place, stage] = file.split("/");
  const [targetPlace, targetStage] = target.split("/");
  if (place !== "stages" || targetPlace !== "stages") return false;
  return stage !== CATALOG && stage !== targetStage;
}
