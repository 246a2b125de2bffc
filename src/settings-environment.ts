import { resolve } from "node:path";
import type { Problem } from "./base/errors.ts";
import { hint } from "./policy/nearest.ts";

/** Environment variables, as process.env has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Settings as written in variables: which variable says what at which path. */
export interface EnvironmentSettings {
  readonly entries: readonly EnvironmentEntry[];
  readonly problems: readonly Problem[];
}

export interface EnvironmentEntry {
  readonly variable: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

type Form =
  | "text"
  | "boolean-or-text"
  | "path"
  | "number-or-text"
  | "number"
  | "list"
  | "list-or-none"
  | "listeners"
  | "pairs";

interface Variable {
  readonly path: readonly string[];
  readonly form: Form;
}

const VARIABLES: Readonly<Record<string, Variable>> = {
  POSTERN_HOSTNAME: { path: ["hostname"], form: "text" },
  POSTERN_DATA_DIR: { path: ["dataDir"], form: "path" },
  POSTERN_POLICIES: { path: ["policies"], form: "path" },
  POSTERN_WORKERS: { path: ["workers"], form: "number-or-text" },
  POSTERN_LISTENERS: { path: ["listeners"], form: "listeners" },
  POSTERN_DNS_SERVERS: { path: ["dns", "servers"], form: "list" },
  POSTERN_DNS_TIMEOUT_MS: { path: ["dns", "timeoutMs"], form: "number" },
  POSTERN_DNS_VALIDATES: { path: ["dns", "validates"], form: "boolean-or-text" },
  POSTERN_AUTHORITIES: { path: ["authorities"], form: "path" },
  POSTERN_HOSTS: { path: ["hosts"], form: "pairs" },
  POSTERN_REDIS: { path: ["redis"], form: "text" },
  POSTERN_CLAMD: { path: ["clamd"], form: "list-or-none" },
  POSTERN_CONSOLE_LISTEN: { path: ["console", "listen"], form: "text" },
  POSTERN_METRICS_LISTEN: { path: ["metrics", "listen"], form: "text" },
  POSTERN_LOG_LEVEL: { path: ["log", "level"], form: "text" },
  POSTERN_LOG_FORMAT: { path: ["log", "format"], form: "text" },
};

/** Which settings file, the launcher's runtime, and what switches tests: not settings. */
const OTHERS = /^POSTERN_(?:SETTINGS|NODE|TEST_\w+)$/;
/** Kubernetes tells every pod about a Service named postern in variables of this form. */
const KUBERNETES = /^POSTERN_(?:SERVICE_(?:HOST|PORT)|PORT)(?:_\w+)?$/;

/**
 * Reads every POSTERN_ variable. An empty one counts as not given, as compose files leave them.
 * Paths in variables are those of whoever started us: relative to `cwd`.
 */
export function readEnvironment(env: Environment, cwd: string): EnvironmentSettings {
  const entries: EnvironmentEntry[] = [];
  const problems: Problem[] = [];
  for (const [variable, text] of Object.entries(env).toSorted()) {
    if (!variable.startsWith("POSTERN_") || OTHERS.test(variable) || KUBERNETES.test(variable))
      continue;
    const known = Object.hasOwn(VARIABLES, variable) ? VARIABLES[variable] : undefined;
    if (!known) {
      const meant = hint(variable, Object.keys(VARIABLES));
      problems.push(variableProblem(variable, "", `unknown variable \`${variable}\`${meant}`));
    } else if (text !== undefined && text.trim() !== "") {
      entries.push({ variable, path: known.path, value: parse(text.trim(), known.form, cwd) });
    }
  }
  return { entries, problems };
}

/** A variable has neither lines nor columns. */
export function variableProblem(variable: string, path: string, message: string): Problem {
  return { file: variable, line: 1, col: 1, path, message };
}

/** What the schema cannot use is left as text, so that its complaint shows it. */
function parse(text: string, form: Form, cwd: string): unknown {
  switch (form) {
    case "text":
      return text;
    case "boolean-or-text":
      return text === "true" ? true : text === "false" ? false : text;
    case "path":
      return resolve(cwd, text);
    case "number":
    case "number-or-text":
      return /^\d{1,15}$/.test(text) ? Number(text) : text;
    case "list-or-none":
      return text === "none" ? text : parseList(text);
    case "list":
      return parseList(text);
    case "listeners":
      return parseJson(text) ?? text.split(",").map(toListener);
    case "pairs":
      return parseJson(text) ?? Object.fromEntries(text.split(",").map(toPair));
  }
}

function parseList(text: string): unknown {
  return parseJson(text) ?? text.split(",").map((item) => item.trim());
}

/** Null for what is no JSON list or object; an address in brackets is none either. */
function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

/** `0.0.0.0:2525` alone is an internet listener; several are named by their place. */
function toListener(listen: string, index: number): unknown {
  const name = index === 0 ? "internet" : `internet-${index + 1}`;
  return { name, kind: "internet", listen: listen.trim() };
}

/** `hub.internal=10.1.0.25` */
function toPair(pair: string): [string, string] {
  const equals = pair.indexOf("=");
  return [pair.slice(0, Math.max(0, equals)).trim(), pair.slice(equals + 1).trim()];
}
