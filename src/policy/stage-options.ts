import type { AnyStage } from "../pipeline/stage.ts";
import { checkShape } from "./check-shape.ts";
import { hint } from "./nearest.ts";
import type { Source } from "./source.ts";

export interface StageFiles<Services> {
  readonly catalog: readonly AnyStage<Services>[];
  /** Stages of the pipeline. */
  readonly placed: ReadonlySet<string>;
  /** The parsed file by its name without .yaml; null when it was not readable. */
  readonly sourceOf: (file: string) => Source | null;
  /** Files that are compiled for the whole snapshot: the loader hands their values on. */
  readonly compiled: readonly string[];
}

/**
 * The options of every stage of the catalog, by its name, each checked with the stage's own schema.
 * One that is missing had problems, which were reported.
 */
export function checkStageOptions<Services>(
  files: StageFiles<Services>,
): ReadonlyMap<string, unknown> {
  const options = new Map<string, unknown>();
  const company = new Map(
    files.catalog.map(({ name, trustable }) => [
      name,
      { trustable, isPlaced: files.placed.has(name) },
    ]),
  );
  for (const [file, sharing] of Map.groupBy(files.catalog, (stage) => stage.file)) {
    const source = files.sourceOf(file);
    if (!source || files.compiled.includes(file)) continue;
    reportStrangers(source, sharing, files.placed);
    for (const stage of sharing) {
      const own = stage.section === null ? source : source.under(stage.section);
      const twin = sharing.find((other) => isTwin(stage, other) && options.has(other.name));
      const checked = twin ? options.get(twin.name) : checkShape(stage.options, own);
      if (checked === undefined) continue;
      options.set(stage.name, checked);
      for (const { path, message } of stage.check(checked, company)) own.complain(path, message);
    }
  }
  return options;
}

/** Both have the very same options: a list of 100,000 entries is read and kept once. */
function isTwin<Services>(stage: AnyStage<Services>, other: AnyStage<Services>): boolean {
  return stage.options === other.options && stage.section === other.section;
}

/** Sections that no stage reads, and options that nobody would heed. */
function reportStrangers<Services>(
  source: Source,
  sharing: readonly AnyStage<Services>[],
  placed: ReadonlySet<string>,
): void {
  if (source.value === undefined) return;
  const readers = Map.groupBy(sharing, ({ section }) => section);
  for (const [section, stages] of readers) {
    const written = section === null ? source.value : source.under(section).value;
    if (written === undefined || stages.some(({ name }) => placed.has(name))) continue;
    const names = stages.map(({ name }) => `\`${name}\``).join(", ");
    const message = `options for stage ${names}, which is not in pipeline.yaml`;
    source.complain(section === null ? [] : [section], message, "key");
  }
  if (readers.has(null)) return;
  const sections = [...readers.keys()].filter((section) => section !== null);
  if (typeof source.value !== "object" || source.value === null || Array.isArray(source.value)) {
    source.complain([], `expected keys with values: ${sections.join(", ")}`);
    return;
  }
  for (const key of Object.keys(source.value)) {
    if (sections.includes(key)) continue;
    source.complain([key], `unknown key \`${key}\`${hint(key, sections)}`, "key");
  }
}
