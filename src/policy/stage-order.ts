import type { Path, Source } from "./source.ts";

/** Where a stage stands in the file. */
export interface StandingStage {
  readonly name: string;
  readonly step: number;
  readonly path: Path;
}

/** A stage that changes what a later one looks at must have ended when that one begins. */
export function reportOrder(
  standing: readonly StandingStage[],
  precedesOf: (name: string) => readonly string[],
  source: Source,
): void {
  for (const { name, step, path } of standing) {
    for (const later of precedesOf(name)) {
      const other = standing.find((one) => one.name === later);
      if (!other || other.step > step) continue;
      source.complain(path, `stage \`${name}\` must stand in a step before \`${later}\``);
    }
  }
}
