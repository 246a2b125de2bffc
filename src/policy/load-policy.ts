import { type Clock, pause } from "../base/clock.ts";
import { errorText, PolicyError, type Problem } from "../base/errors.ts";
import type { AnyStage } from "../pipeline/stage.ts";
import { compilePolicy, OWN_FILES } from "./compile-policy.ts";
import { openPolicyFolder, type PolicyFolder } from "./policy-folder.ts";
import { createRecipientReader, readSources } from "./policy-sources.ts";
import { sortProblems, wholeFile } from "./problems.ts";
import type { PolicySnapshot } from "./snapshot.ts";
import type { Report } from "./source.ts";

export interface PolicyInput<Services> {
  /** The folder of YAML files. Every file may be absent; the folder may not. */
  readonly folder: string;
  readonly catalog: readonly AnyStage<Services>[];
  readonly clock: Clock;
}

export interface LoadedPolicy<Services> {
  readonly snapshot: PolicySnapshot<Services>;
  /** Files that were read, recipient lists included: what a watcher must watch. */
  readonly paths: readonly string[];
}

/** Somebody is saving several files: give them this long, so often. */
const STALE_PAUSE_MS = 100;
const MAX_READINGS = 10;

/**
 * Reads the whole folder as one value. Throws PolicyError with all problems of all files. What was
 * changed while it was read is read again: files of two moments never make one policy.
 */
export async function loadPolicy<Services>(
  input: PolicyInput<Services>,
): Promise<PolicySnapshot<Services>> {
  return (await loadPolicyWithPaths(input)).snapshot;
}

/** As loadPolicy, for the one who watches the files. */
export async function loadPolicyWithPaths<Services>(
  input: PolicyInput<Services>,
): Promise<LoadedPolicy<Services>> {
  for (let reading = 1; reading <= MAX_READINGS; reading++) {
    const folder = await openPolicyFolder(input.folder).catch((error: unknown) => {
      throw new PolicyError([wholeFile(input.folder, `cannot be read: ${errorText(error)}`)]);
    });
    const problems: Problem[] = [];
    const snapshot = await readPolicy(folder, input, (problem) => void problems.push(problem));
    if (await folder.isStale()) await pause(input.clock, STALE_PAUSE_MS);
    else if (snapshot && problems.length === 0) return { snapshot, paths: folder.paths() };
    else throw new PolicyError(sortProblems(problems));
  }
  throw new PolicyError([wholeFile(input.folder, "changed again and again while it was read")]);
}

async function readPolicy<Services>(
  folder: PolicyFolder,
  { catalog, clock }: PolicyInput<Services>,
  report: Report,
): Promise<PolicySnapshot<Services> | undefined> {
  const known = [...new Set([...OWN_FILES, ...catalog.map(({ file }) => file)])];
  const sourceOf = await readSources(folder, known, report);
  const readRecipients = createRecipientReader(folder, report);
  const policy = await compilePolicy({ catalog, sourceOf, readRecipients });
  return policy && { ...policy, version: folder.version(), loadedAt: clock.now() };
}
