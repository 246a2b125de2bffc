import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import type { BackPressureLimits, Thresholds } from "../policy/back-pressure-limits.ts";

export type PressureLevel = "normal" | "medium" | "high";

/** What can become short, each named like its thresholds in `limits.yaml`. */
export type Resource = keyof BackPressureLimits;

/** Those of some resources; who is not among them is not short. */
export type PressureLevels = { readonly [R in Resource]?: PressureLevel };

/**
 * Whether new mail may come in. Medium keeps what is left for those whom we know: mail of strangers
 * is told to come later, our hub's goes on. High refuses all.
 */
export interface BackPressure {
  /** At MAIL. The disk is not asked: what the hub takes at once needs none (behaviour.md 8). */
  refusesMail(isStranger: boolean): boolean;
  /** At RCPT, of a recipient whose mail must go to the disk before its 250. */
  refusesDisk(isStranger: boolean): boolean;
  levels(): PressureLevels;
}

/** How full a resource is, in the unit of its thresholds. Throws when that cannot be said. */
export type Probe = () => number | Promise<number>;

export interface BackPressureOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Of those that this process measures. */
  readonly probes: { readonly [R in Resource]?: Probe };
  /** Asked each time, so that a reload holds at once. */
  readonly limits: () => BackPressureLimits;
  /** Of those that another process measures. */
  readonly told?: () => PressureLevels;
  /** With all levels measured here: once at the start, then on every change. */
  readonly changed?: (levels: PressureLevels) => void;
}

export interface MeasuredBackPressure extends BackPressure {
  /** Resolves once everything was measured for the first time; then goes on by itself. */
  start(): Promise<void>;
  stop(): void;
}

/** Exchange looks every two seconds; at a thousand messages a second that would be a lot of mail. */
const LOOK_EVERY_MS = 1000;
const WEIGHTS: { readonly [L in PressureLevel]: number } = { normal: 0, medium: 1, high: 2 };

/** The level after a new value. Down goes only what has left the next lower threshold behind. */
export function nextLevel(
  level: PressureLevel,
  value: number,
  { normal, medium, high }: Thresholds,
): PressureLevel {
  if (value >= high) return "high";
  if (value >= medium) return level === "high" ? "high" : "medium";
  return level === "normal" || value <= normal ? "normal" : "medium";
}

export function createBackPressure(options: BackPressureOptions): MeasuredBackPressure {
  const { clock, metrics, probes, changed, told = () => ({}) } = options;
  const measured = new Map<Resource, PressureLevel>();
  let cancel: (() => void) | null = null;
  let isStopped = false;
  let isFirst = true;
  const own = (): PressureLevels => Object.fromEntries(measured);
  const levels = (): PressureLevels => ({ ...told(), ...own() });
  metrics.gaugeBy(
    "postern_back_pressure",
    "How short a resource is: 0 normal, 1 medium, 2 high",
    "resource",
    () => Object.entries(levels()).map(([resource, level]) => [resource, WEIGHTS[level]]),
    "max",
  );
  const measure = async (): Promise<void> => {
    let isNews = false;
    for (const resource of Object.keys(probes) as Resource[]) {
      const before = measured.get(resource) ?? "normal";
      const next = await lookAt(options, resource, before);
      isNews ||= next !== before;
      measured.set(resource, next);
    }
    if (isNews || isFirst) changed?.(own());
    isFirst = false;
  };
  const lookAgain = (): void => {
    if (isStopped) return;
    cancel = clock.after(LOOK_EVERY_MS, () => void measure().then(lookAgain));
  };
  return {
    levels,
    refusesMail: (isStranger) => refuses(levels(), MEMORY_AND_SPOOL, isStranger),
    refusesDisk: (isStranger) => refuses(levels(), DISK, isStranger),
    async start() {
      await measure();
      lookAgain();
    },
    stop() {
      isStopped = true;
      cancel?.();
    },
  };
}

const DISK: readonly Resource[] = ["diskUsedPercent"];
const MEMORY_AND_SPOOL: readonly Resource[] = [
  "spoolEntries",
  "messageMemoryPercent",
  "processMemoryPercent",
  "systemMemoryPercent",
];

function refuses(levels: PressureLevels, among: readonly Resource[], isStranger: boolean): boolean {
  return among.some((resource) => {
    const level = levels[resource] ?? "normal";
    return level === "high" || (level === "medium" && isStranger);
  });
}

/** What cannot be measured is taken for short: absence is never space. */
async function lookAt(
  { probes, limits, log }: BackPressureOptions,
  resource: Resource,
  before: PressureLevel,
): Promise<PressureLevel> {
  const thresholds = limits()[resource];
  let value: number | null = null;
  let error: string | undefined;
  try {
    value = (await probes[resource]?.()) ?? null;
  } catch (thrown) {
    error = errorText(thrown);
  }
  const level = value === null ? "high" : nextLevel(before, value, thresholds);
  if (level !== before) {
    const fields = { resource, level, before, value, ...thresholds, ...(error && { error }) };
    if (level === "normal") log.info("back-pressure", fields);
    else log.warn("back-pressure", fields);
  }
  return level;
}

/** In words, for /readyz. */
export function describePressure(levels: PressureLevels): readonly string[] {
  return Object.entries(levels)
    .filter(([, level]) => level !== "normal")
    .map(([resource, level]) => `back-pressure: ${resource} is ${level}`);
}

/** Whether no mail at all comes in at the moment. */
export function isShut(pressure: Pick<BackPressure, "refusesMail">): boolean {
  return pressure.refusesMail(false);
}
