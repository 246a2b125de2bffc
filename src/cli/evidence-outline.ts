import type { Json } from "../base/json.ts";
import { clip } from "./visible-text.ts";

/** A screen's worth of one stage; `--json` gives the whole. */
const MAX_LINES = 40;
const MAX_ITEMS = 12;
const MAX_DEPTH = 6;
const MAX_VALUE_COLUMNS = 200;
const INDENT = "  ";

/**
 * Evidence of any shape as nested `key: value` lines, trimmed. Never throws: it may come from a
 * stage, or a version of it, that nobody here knows.
 */
export function outlineEvidence(evidence: Json | undefined): readonly string[] {
  const lines = outline(evidence, 0);
  if (lines.length <= MAX_LINES) return lines;
  return [...lines.slice(0, MAX_LINES), `(${lines.length - MAX_LINES} more lines with --json)`];
}

function outline(value: Json | undefined, depth: number): readonly string[] {
  if (!isNested(value)) return [scalar(value)];
  if (depth === MAX_DEPTH) return ["(deeper with --json)"];
  if (isList(value)) return outlineList(value, depth);
  const keys = Object.keys(value);
  const lines = keys.slice(0, MAX_ITEMS).flatMap((key) => outlineMember(key, value[key], depth));
  return withRest(lines, keys.length);
}

function outlineMember(key: string, value: Json | undefined, depth: number): readonly string[] {
  if (value === undefined) return [];
  const name = clip(key, MAX_VALUE_COLUMNS);
  if (!isNested(value)) return [`${name}: ${scalar(value)}`];
  const inner = outline(value, depth + 1);
  if (inner.length === 0) return [`${name}: none`];
  if (isList(value) && !value.some(isNested)) return [`${name}: ${inner.join(" ")}`];
  return [`${name}:`, ...inner.map((line) => INDENT + line)];
}

function outlineList(list: readonly Json[], depth: number): readonly string[] {
  const items = list.slice(0, MAX_ITEMS);
  if (!list.some(isNested)) {
    if (items.length === 0) return [];
    const rest = list.length - items.length;
    return [items.map(scalar).join(", ") + (rest > 0 ? ` (and ${rest} more)` : "")];
  }
  const lines = items.flatMap((item) =>
    outline(item, depth + 1).map((line, i) => (i === 0 ? `- ${line}` : INDENT + line)),
  );
  return withRest(lines, list.length);
}

function withRest(lines: readonly string[], count: number): readonly string[] {
  const rest = count - MAX_ITEMS;
  return rest > 0 ? [...lines, `(and ${rest} more)`] : lines;
}

function scalar(value: Json | undefined): string {
  if (value === null || value === undefined) return "none";
  if (value === true) return "yes";
  if (value === false) return "no";
  return clip(String(value), MAX_VALUE_COLUMNS);
}

type Nested = readonly Json[] | { readonly [key: string]: Json | undefined };

function isNested(value: Json | undefined): value is Nested {
  return typeof value === "object" && value !== null;
}

function isList(value: Nested): value is readonly Json[] {
  return Array.isArray(value);
}
