import { type Clock, pause } from "../base/clock.ts";
import { errorText, PolicyError, type Problem } from "../base/errors.ts";
import type { Marks } from "../base/file-marks.ts";
import type { AnyStage } from "../pipeline/stage.ts";
import { compilePolicy, OWN_FILES } from "./compile-policy.ts";
import { openPolicyFolder, type PolicyFolder } from "./policy-folder.ts";
import { createFileReader, createRecipientReader, readSources } from "./policy-sources.ts";
import { sortProblems, wholeFile } from "./problems.ts";
import type { PolicySnapshot } from "./snapshot.ts";
import type { Report } from "./source.ts";

export interface PolicyInput<Services> {
  /** The folder of YAML files. Every file may be absent; the folder may not. */
  readonly folder: string;
  readonly catalog: readonly AnyStage<Services>[];
  readonly clock: Clock;
  /** See RecipientReading. Default: nothing is in force. */
  readonly exportInForce?: (file: string, key: string) => number | null;
}

/** What one reading of the folder came to: a snapshot, or why there is none. */
export type Reading<Services> = {
  /** Files that were read or missed, recipient lists included: what a watcher must watch. */
  readonly marks: Marks;
} & (
  | { readonly kind: "policy"; readonly snapshot: PolicySnapshot<Services> }
  | { readonly kind: "refused"; readonly error: PolicyError }
);

/** Somebody is saving several files: give them this long, so often. */
const STALE_PAUSE_MS = 100;
const MAX_READINGS = 10;

/** Reads the whole folder as one value. Throws PolicyError with all problems of all files. */
export async function loadPolicy<Services>(
  input: PolicyInput<Services>,
): Promise<PolicySnapshot<Services>> {
  const reading = await readPolicy(input);
  if (reading.kind === "refused") throw reading.error;
  return reading.snapshot;
}

/**
 * As loadPolicy, for the one who watches the files. What was changed while it was read is read
 * again: files of two moments never make one policy.
 */
export async function readPolicy<Services>(
  input: PolicyInput<Services>,
): Promise<Reading<Services>> {
  const refuse = (problems: readonly Problem[], marks: Marks = new Map()) =>
    ({ kind: "refused", error: new PolicyError(problems), marks }) as const;
  for (let attempt = 1; attempt <= MAX_READINGS; attempt++) {
    const problems: Problem[] = [];
    const folder = await openPolicyFolder(input.folder).catch((error: unknown) => {
      problems.push(wholeFile(input.folder, `cannot be read: ${errorText(error)}`));
    });
    if (!folder) return refuse(problems);
    const snapshot = await compileFolder(folder, input, (problem) => void problems.push(problem));
    const marks = folder.marks();
    if (await folder.isStale()) await pause(input.clock, STALE_PAUSE_MS);
    else if (snapshot && problems.length === 0) return { kind: "policy", snapshot, marks };
    else return refuse(sortProblems(problems), marks);
  }
  return refuse([wholeFile(input.folder, "changed again and again while it was read")]);
}

async function compileFolder<Services>(
  folder: PolicyFolder,
  { catalog, clock, exportInForce = () => null }: PolicyInput<Services>,
  report: Report,
): Promise<PolicySnapshot<Services> | undefined> {
  const known = [...new Set([...OWN_FILES, ...catalog.map(({ file }) => file)])];
  const sourceOf = await readSources(folder, known, report);
  const readRecipients = createRecipientReader({ folder, report, now: clock.now(), exportInForce });
  const readFile = createFileReader(folder);
  const policy = await compilePolicy({ catalog, sourceOf, readRecipients, readFile });
  const loadedAt = clock.now();
  if (!policy) return undefined;
  return { ...policy, version: await folder.version(), secrets: await folder.secrets(), loadedAt };
}
