import { errorText } from "../base/errors.ts";

/** One thing that was looked at. */
export interface Finding {
  /** Which listener, name or hub. */
  readonly subject: string;
  readonly status: "ok" | "warn" | "fail";
  readonly detail: string;
}

export interface Diagnosis extends Finding {
  readonly check: string;
}

/** One look at the world around us; each is a file of its own in this folder. It changes nothing. */
export interface DoctorCheck {
  readonly name: string;
  run(): Promise<readonly Finding[]>;
}

/** Runs all, in order. A check that throws has failed, and the others run all the same. */
export async function examine(checks: readonly DoctorCheck[]): Promise<readonly Diagnosis[]> {
  const diagnoses: Diagnosis[] = [];
  for (const { name: check, run } of checks) {
    const findings = await run().catch((error: unknown): readonly Finding[] => [
      { subject: "check", status: "fail", detail: errorText(error) },
    ]);
    diagnoses.push(...findings.map((finding) => ({ check, ...finding })));
  }
  return diagnoses;
}
