import { z } from "zod";
import { show } from "./check-shape.ts";

const UNITS: ReadonlyMap<string, number> = new Map([
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
  ["w", 604_800_000],
]);

/** Milliseconds of `90s`, `30m`, `12h`, `7d`, `2w`; null for anything else. */
export function parseDuration(text: string): number | null {
  const [, count, unit = ""] = /^(\d{1,6})([smhdw])$/.exec(text.trim()) ?? [];
  const unitMs = UNITS.get(unit);
  return count === undefined || unitMs === undefined ? null : Number(count) * unitMs;
}

/** As an operator would write it: the largest unit that leaves no rest. */
export function formatDuration(ms: number): string {
  const fitting = [...UNITS].filter(([, unitMs]) => ms >= unitMs && ms % unitMs === 0);
  const [unit, unitMs] = fitting.at(-1) ?? ["s", 1000];
  return `${Math.round(ms / unitMs)}${unit}`;
}

/** A time as operators write it, as milliseconds. */
export function durationSchema(least: string, most: string): z.ZodType<number, string> {
  const leastMs = parseDuration(least) ?? 0;
  const mostMs = parseDuration(most) ?? 0;
  return z.string().transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== null && ms >= leastMs && ms <= mostMs) return ms;
    const message = `expected a time from ${least} to ${most}, such as 30m or 24h, got ${show(text)}`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
}
