import { type CheckedListener, certificateCheck } from "../doctor/certificate-check.ts";
import { type Diagnosis, examine } from "../doctor/doctor.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

export interface DoctorDependencies {
  /** Throws PolicyError. */
  loadSettings(input: {
    readonly file?: string | undefined;
    readonly env: CliContext["env"];
    readonly cwd: string;
  }): Promise<{ readonly dataDir: string; readonly listeners: readonly CheckedListener[] }>;
}

/** `postern doctor`: what is around the gateway, line by line; 1 when something has failed. */
export async function doctorCommand(
  { out, json, env, cwd, settingsFile }: CliContext,
  { loadSettings }: DoctorDependencies,
): Promise<number> {
  const { dataDir, listeners } = await loadSettings({ file: settingsFile, env, cwd });
  const diagnoses = await examine([certificateCheck({ listeners, dataDir, now: Date.now() })]);
  const ok = diagnoses.every(({ status }) => status !== "fail");
  if (json) out(toJsonLine({ ok, diagnoses }));
  else for (const line of diagnoses.map(toLine)) out(toVisible(line));
  return ok ? EXIT.ok : EXIT.negative;
}

function toLine({ status, check, subject, detail }: Diagnosis): string {
  return `${status.padEnd(4)}  ${check}  ${subject}: ${detail}`;
}
