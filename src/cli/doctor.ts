import { join } from "node:path";
import { errorText } from "../base/errors.ts";
import { createLog, type Log } from "../base/log.ts";
import { type CheckedListener, certificateCheck } from "../doctor/certificate-check.ts";
import { type Diagnosis, type DoctorCheck, examine } from "../doctor/doctor.ts";
import { keyFileCheck } from "../doctor/key-file-check.ts";
import { type RecipientCheckInput, recipientCheck } from "../doctor/recipient-check.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

export interface DoctorDependencies<Settings extends DoctorSettings> {
  /** Throws PolicyError. */
  loadSettings(input: {
    readonly file?: string | undefined;
    readonly env: CliContext["env"];
    readonly cwd: string;
  }): Promise<Settings>;
  /** Connections to the hubs of the policy. */
  openHubProbe(
    settings: Settings,
    log: Log,
  ): Promise<Omit<RecipientCheckInput, "now"> & { close(): Promise<void> }>;
}

export interface DoctorSettings {
  readonly dataDir: string;
  readonly listeners: readonly CheckedListener[];
}

/** `postern doctor`: what is around the gateway, line by line; 1 when something has failed. */
export async function doctorCommand<Settings extends DoctorSettings>(
  context: CliContext,
  dependencies: DoctorDependencies<Settings>,
): Promise<number> {
  const { out, json, env, cwd, settingsFile } = context;
  const settings = await dependencies.loadSettings({ file: settingsFile, env, cwd });
  const { dataDir, listeners } = settings;
  const now = Date.now();
  const diagnoses = await examine([
    certificateCheck({ listeners, dataDir, now }),
    keyFileCheck([join(dataDir, "address-keys")]),
    recipientsOf(context, settings, dependencies, now),
  ]);
  const ok = diagnoses.every(({ status }) => status !== "fail");
  if (json) out(toJsonLine({ ok, diagnoses }));
  else for (const line of diagnoses.map(toLine)) out(toVisible(line));
  return ok ? EXIT.ok : EXIT.negative;
}

/** Opened only for its own look, so that a policy with mistakes does not keep the others from theirs. */
function recipientsOf<Settings extends DoctorSettings>(
  { err }: CliContext,
  settings: Settings,
  { openHubProbe }: DoctorDependencies<Settings>,
  now: number,
): DoctorCheck {
  return {
    name: "recipients",
    async run() {
      const write = (line: string) => err(line.trimEnd());
      const log = createLog({ level: "error", format: "json", write });
      const probe = await openHubProbe(settings, log).catch((error: unknown) => {
        throw new Error(`the policies cannot be used; see check (${errorText(error)})`);
      });
      try {
        return await recipientCheck({ ...probe, now }).run();
      } finally {
        await probe.close();
      }
    },
  };
}

function toLine({ status, check, subject, detail }: Diagnosis): string {
  return `${status.padEnd(4)}  ${check}  ${subject}: ${detail}`;
}
