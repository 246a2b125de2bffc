import { stringify } from "yaml";
import { createSystemClock } from "../base/clock.ts";
import { formatProblem, PolicyError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import { loadPolicy } from "../policy/load-policy.ts";
import { createCatalog } from "../stages/catalog.ts";
import type { CheckDependencies } from "./check.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { toJsonLine } from "./visible-text.ts";

export interface PolicyShowInput extends CheckDependencies {
  /** `pipeline.yaml` or `pipeline`; null: all files. */
  readonly file: string | null;
}

/**
 * `postern policy show`: the whole policy with its defaults, as YAML or JSON. It reads the folder of the
 * settings; a gateway that runs may still have an older one in force (`stats` tells its version).
 * Passwords and keys are not part of it.
 */
export async function policyShowCommand(
  context: CliContext,
  { loadSettings, file }: PolicyShowInput,
): Promise<number> {
  const { env, cwd, settingsFile } = context;
  try {
    const { policies } = await loadSettings({ file: settingsFile, env, cwd });
    const clock = createSystemClock();
    const policy = await loadPolicy({ folder: policies, catalog: createCatalog(), clock });
    const { version } = policy;
    const files = filesOf(policy.effective);
    const shown = file === null ? files : files.filter(([name]) => name === fileNameOf(file));
    if (shown.length === 0) return refuse(context, file, files);
    const named = shown.map(([name, value]) => [name.replace(/\.yaml$/, ""), value]);
    if (context.json) context.out(toJsonLine({ version, policies: Object.fromEntries(named) }));
    else for (const line of toLines(policies, version, shown)) context.out(line);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    for (const problem of error.problems) context.err(formatProblem(problem));
    return EXIT.usage;
  }
}

type ShownFile = readonly [name: string, value: Json];

function filesOf(effective: Json): readonly ShownFile[] {
  return Object.entries(effective ?? {}).map(([name, value]) => [fileNameOf(name), value ?? null]);
}

function fileNameOf(name: string): string {
  return name.endsWith(".yaml") ? name : `${name}.yaml`;
}

function refuse({ err }: CliContext, file: string | null, files: readonly ShownFile[]): number {
  err(`no policy file ${file}; there are ${files.map(([name]) => name).join(", ")}`);
  return EXIT.usage;
}

function toLines(folder: string, version: string, files: readonly ShownFile[]): readonly string[] {
  const texts = files.flatMap(([name, value]) => [
    "",
    `# ${name}`,
    stringify(value, { lineWidth: 0 }).trimEnd(),
  ]);
  return [`# ${folder} (version ${version})`, ...texts];
}
