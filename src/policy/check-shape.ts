import { z } from "zod";
import { hint } from "./nearest.ts";
import type { Path, Source } from "./source.ts";

type Issue = z.core.$ZodIssue;
type RawIssue = z.core.$ZodRawIssue;

/** How messages of zod begin; any other is the schema's own, and better than a rule. */
const ZOD_WORDS = /^(?:Invalid|Too small|Too big|Unrecognized)/;

/** A value in a message is shown this far. */
const MAX_SHOWN_CHARS = 60;

/**
 * The value in the shape of the schema, or undefined after every mistake was reported as
 * "expected X, got Y" at its own place. Nothing written counts as `{}`.
 */
export function checkShape<T>(schema: z.ZodType<T>, source: Source): T | undefined {
  // The keys a schema knows are told to the error map only; the array of unknown keys, which zod
  // passes on by identity, leads back to them.
  const known = new WeakMap<readonly string[], readonly string[]>();
  const note = (issue: RawIssue): undefined => {
    if (issue.code === "unrecognized_keys") known.set(issue.keys, keysOf(issue.inst));
  };
  const result = schema.safeParse(source.value ?? {}, { reportInput: true, error: note });
  if (result.success) return result.data;
  const tell = (issue: Issue, prefix: Path) => complain(source, issue, prefix, known);
  for (const issue of result.error.issues) tell(issue, []);
  return undefined;
}

type KnownKeys = WeakMap<readonly string[], readonly string[]>;

function complain(source: Source, issue: Issue, prefix: Path, known: KnownKeys): void {
  const path: Path = [...prefix, ...issue.path.filter((step) => typeof step !== "symbol")];
  if (issue.code === "unrecognized_keys") {
    for (const key of issue.keys) {
      const meant = hint(key, known.get(issue.keys) ?? []);
      source.complain([...path, key], `unknown key \`${key}\`${meant}`, "key");
    }
    return;
  }
  if (issue.code === "invalid_key") {
    const reasons = issue.issues.map((inner) => describe(inner)).join(", ");
    source.complain(path, reasons, "key");
    return;
  }
  const branch = issue.code === "invalid_union" ? likelyBranch(issue.errors) : null;
  if (branch) for (const inner of branch) complain(source, inner, path, known);
  else source.complain(path, describe(issue));
}

/**
 * Of the forms a value may have, the one it was meant to have: the only one whose mistakes are
 * inside the value instead of in its kind. Null when there is no such one.
 */
function likelyBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | null {
  const inner = branches.filter((issues) => !issues.some(isWrongKind));
  const [first, ...others] = inner.toSorted((a, b) => a.length - b.length);
  if (!first || others.some((other) => other.length === first.length)) return null;
  return first;
}

function isWrongKind(issue: Issue): boolean {
  return issue.path.length === 0 && /^invalid_(type|value|union|format)$/.test(issue.code);
}

function describe(issue: Issue): string {
  if (!ZOD_WORDS.test(issue.message)) return issue.message;
  const wanted = wantedBy(issue);
  if (wanted === null) return issue.message;
  const isSize = issue.code === "too_small" || issue.code === "too_big";
  const got = isSize ? size(issue.input) : show(inputOf(issue));
  return `expected ${wanted}, got ${got}${meantValue(issue)}`;
}

/** For a form chosen by a word zod gives the whole value, and the path of the word. */
function inputOf(issue: Issue): unknown {
  if (!("discriminator" in issue) || typeof issue.discriminator !== "string") return issue.input;
  return Object.entries(issue.input ?? {}).find(([key]) => key === issue.discriminator)?.[1];
}

/** What the schema wanted, in an operator's words; null when only the schema can say. */
function wantedBy(issue: Issue): string | null {
  switch (issue.code) {
    case "invalid_type":
      return KIND_NAMES.get(issue.expected) ?? issue.expected;
    case "invalid_value":
      return oneOf(issue.values);
    case "too_small":
      return `${issue.inclusive ? "at least" : "more than"} ${measure(issue.origin, issue.minimum)}`;
    case "too_big":
      return `${issue.inclusive ? "at most" : "less than"} ${measure(issue.origin, issue.maximum)}`;
    case "invalid_format":
      return FORMAT_NAMES.get(issue.format) ?? `text like ${issue.pattern ?? issue.format}`;
    case "not_multiple_of":
      return `a multiple of ${issue.divisor}`;
    case "invalid_union":
      return wantedByUnion(issue);
    default:
      return null;
  }
}

function wantedByUnion(issue: Extract<Issue, { code: "invalid_union" }>): string {
  const roots = issue.errors.flat().filter(({ path }) => path.length === 0);
  const wanted = new Set(roots.map(wantedBy).filter((want) => want !== null));
  if ("options" in issue && Array.isArray(issue.options)) wanted.add(oneOf(issue.options));
  return wanted.size > 0 ? [...wanted].join(" or ") : "another form";
}

function meantValue(issue: Issue): string {
  if (issue.code !== "invalid_value" || typeof issue.input !== "string") return "";
  return hint(
    issue.input,
    issue.values.filter((value) => typeof value === "string"),
  );
}

function oneOf(values: readonly unknown[]): string {
  const names = values.map(String);
  return names.length === 1 ? String(names[0]) : `one of ${names.join(", ")}`;
}

const KIND_NAMES: ReadonlyMap<string, string> = new Map([
  ["int", "a whole number"],
  ["number", "a number"],
  ["string", "text"],
  ["boolean", "true or false"],
  ["array", "a list"],
  ["object", "keys with values"],
  ["record", "keys with values"],
]);

const FORMAT_NAMES: ReadonlyMap<string, string> = new Map([
  ["date", "a date such as 2027-12-31"],
  ["datetime", "a time such as 2027-12-31T12:00:00Z"],
  ["safeint", "a whole number"],
]);

function measure(origin: string, limit: number | bigint): string {
  if (origin === "string") return `${limit} characters`;
  if (origin === "array" || origin === "set") return `${limit} entries`;
  return String(limit);
}

function size(input: unknown): string {
  return typeof input === "string" || Array.isArray(input) ? String(input.length) : show(input);
}

/** A value as it may stand in a message. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "keys with values";
  if (typeof value !== "string") return String(value);
  const more = value.length > MAX_SHOWN_CHARS ? "…" : "";
  return `${JSON.stringify(value.slice(0, MAX_SHOWN_CHARS))}${more}`;
}

function keysOf(schema: unknown): readonly string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}
