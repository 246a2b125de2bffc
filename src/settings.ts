import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { errorText, PolicyError, type Problem } from "./base/errors.ts";
import type { LogLevel } from "./base/log.ts";
import type { Cidr } from "./net/ip.ts";
import type { StaticHostTable } from "./net/static-hosts.ts";
import { checkShape } from "./policy/check-shape.ts";
import type { HostPort } from "./policy/host-port.ts";
import { sortProblems, wholeFile } from "./policy/problems.ts";
import { readYaml } from "./policy/read-yaml.ts";
import { absentSource, type Report, type Source, toSource } from "./policy/source.ts";
import type { RedisSettings } from "./reputation/redis-access.ts";
import {
  type Environment,
  type EnvironmentEntry,
  readEnvironment,
  variableProblem,
} from "./settings-environment.ts";
import {
  type AuthSettings,
  type TlsSettings,
  toAuthSettings,
  toTlsSettings,
} from "./settings-listener.ts";
import { toRedisSettings } from "./settings-redis.ts";
import {
  MAX_WORKERS,
  reportContradictions,
  settingsSchema,
  type WrittenSettings,
} from "./settings-schema.ts";

/** Deployment facts (behaviour.md section 3). Paths are absolute. */
export interface Settings {
  /** Null when the environment gave everything. */
  readonly file: string | null;
  readonly hostname: string;
  readonly dataDir: string;
  readonly policies: string;
  /** 1: everything in one process; more: so many that host sessions, and two beside them. */
  readonly workers: number;
  readonly listeners: readonly ListenerSettings[];
  readonly dns: {
    /** `address:port`; null: those of the system. */
    readonly servers: readonly string[] | null;
    readonly timeoutMs: number;
    /** They validate with DNSSEC, and the way to them is trusted: their AD bit is believed. */
    readonly validates: boolean;
  };
  /** PEM of authorities trusted beside the well-known ones; null: none. */
  readonly authorities: string | null;
  /** Before DNS. */
  readonly hosts: StaticHostTable;
  /** `host:port` or `unix:/path`, in order of preference; null: `none` was said. */
  readonly clamd: readonly string[] | null;
  /** Null: reputation is kept in the data folder. */
  readonly redis: RedisSettings | null;
  readonly metrics: { readonly listen: HostPort } | null;
  readonly log: { readonly level: LogLevel; readonly format: "json" | "pretty" };
}

export interface ListenerSettings {
  readonly name: string;
  readonly kind: "internet" | "hub" | "partner";
  readonly listen: HostPort;
  readonly hostname: string;
  /** Follows the host name in the greeting. */
  readonly banner: string | null;
  readonly tls: TlsSettings;
  /** Who may log on; null: nobody can. */
  readonly auth: AuthSettings | null;
  /** Peers that must send a PROXY header. */
  readonly proxyProtocol: readonly Cidr[];
  /** Networks: who may connect, and on a hub listener who may relay. Empty: anybody connects. */
  readonly from: readonly string[];
}

export interface SettingsInput {
  /** As `--settings` named it; absent: POSTERN_SETTINGS, then the default places. */
  readonly file?: string | undefined;
  readonly env: Environment;
  readonly cwd: string;
}

const FILE_NAME = "postern.yaml";
const SYSTEM_FILE = `/etc/postern/${FILE_NAME}`;

/**
 * Settings from the file and the environment, which wins. Relative paths count from the settings
 * file, in variables from `cwd`. Throws PolicyError with all problems of both.
 */
export async function loadSettings(input: SettingsInput): Promise<Settings> {
  const problems: Problem[] = [];
  const report: Report = (problem) => void problems.push(problem);
  const environment = readEnvironment(input.env, input.cwd);
  for (const problem of environment.problems) report(problem);
  const found = await findFile(input);
  if (!found.bytes && found.named) {
    report(wholeFile(found.file, found.fault));
    throw new PolicyError(problems);
  }
  const fromFile = found.bytes
    ? await readYaml(found.file, found.bytes, report)
    : absentSource(found.file, report);
  const source = fromFile && overlay(fromFile, environment.entries, report);
  const written = source && checkShape(settingsSchema, source);
  if (written) reportContradictions(written, source);
  if (written && problems.length === 0)
    return toSettings(written, found.bytes ? found.file : null, input.cwd);
  if (!found.bytes) report(wholeFile(found.file, found.fault));
  throw new PolicyError(sortProblems(problems));
}

interface FoundFile {
  /** Where it is, or where it would be. */
  readonly file: string;
  /** Null: `fault` says why. */
  readonly bytes: Buffer | null;
  readonly fault: string;
  /** It must be there; the default places may be empty. */
  readonly named: boolean;
}

async function findFile({ file, env, cwd }: SettingsInput): Promise<FoundFile> {
  const name = file ?? (env.POSTERN_SETTINGS || undefined);
  if (name !== undefined) return { ...(await tryFile(resolve(cwd, name))), named: true };
  const policies = resolve(cwd, env.POSTERN_POLICIES || "policies");
  const beside = join(dirname(policies), FILE_NAME);
  for (const place of [beside, SYSTEM_FILE]) {
    const found = await tryFile(place);
    if (!found.absent) return { ...found, named: true };
  }
  const fault = `no settings file here, nor ${SYSTEM_FILE}`;
  return { file: beside, bytes: null, fault, named: false };
}

async function tryFile(file: string): Promise<Omit<FoundFile, "named"> & { absent: boolean }> {
  try {
    return { file, bytes: await readFile(file), fault: "", absent: false };
  } catch (error) {
    const fault = `cannot be read: ${errorText(error)}`;
    return { file, bytes: null, fault, absent: isMissing(error) };
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

/** The file's value with the variables over it; a complaint names the one that said it. */
function overlay(file: Source, entries: readonly EnvironmentEntry[], report: Report): Source {
  const value = entries.reduce(
    (whole, entry) => withValue(whole, entry.path, entry.value),
    file.value,
  );
  const complain: Source["complain"] = (path, message, target) => {
    const entry = entries.find((said) => said.path.every((step, i) => step === path[i]));
    if (entry) report(variableProblem(entry.variable, path.join("."), message));
    else file.complain(path, message, target);
  };
  return toSource(value, complain, file.lineOf);
}

/** One for each processor that we may use. */
function autoWorkers(): number {
  return Math.min(availableParallelism(), MAX_WORKERS);
}

function withValue(whole: unknown, path: readonly string[], value: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return value;
  // A list or a text where keys belong is the file's own mistake, told by the schema.
  if (whole !== undefined && whole !== null && (typeof whole !== "object" || Array.isArray(whole)))
    return whole;
  const members: Readonly<Record<string, unknown>> = { ...whole };
  return { ...members, [first]: withValue(members[first], rest, value) };
}

function toSettings(written: WrittenSettings, file: string | null, cwd: string): Settings {
  const base = file === null ? cwd : dirname(file);
  const { hostname, hosts, clamd, metrics, log, dns } = written;
  return {
    file,
    hostname,
    dataDir: resolve(base, written.dataDir),
    policies: resolve(base, written.policies),
    workers: written.workers === "auto" ? autoWorkers() : written.workers,
    listeners: written.listeners.map((listener) => ({
      name: listener.name,
      kind: listener.kind,
      listen: listener.listen,
      hostname: listener.hostname ?? hostname,
      banner: listener.banner ?? null,
      tls: toTlsSettings(listener.tls ?? {}, (path) => resolve(base, path)),
      auth: toAuthSettings(listener.auth, (path) => resolve(base, path)),
      proxyProtocol: listener.proxyProtocol ?? [],
      from: listener.from ?? [],
    })),
    dns: { ...dns, servers: dns.servers ?? null },
    authorities: written.authorities === undefined ? null : resolve(base, written.authorities),
    hosts,
    clamd: clamd === "none" ? null : clamd,
    redis: toRedisSettings(written.redis, (path) => resolve(base, path)),
    metrics: metrics ?? null,
    log,
  };
}
