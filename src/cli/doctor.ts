import { join } from "node:path";
import { createSystemClock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import { createLog, type Log } from "../base/log.ts";
import { type CheckedListener, certificateCheck } from "../doctor/certificate-check.ts";
import { type DkimCheckInput, dkimCheck } from "../doctor/dkim-check.ts";
import { type Diagnosis, type DoctorCheck, examine } from "../doctor/doctor.ts";
import { keyFileCheck } from "../doctor/key-file-check.ts";
import { type RecipientCheckInput, recipientCheck } from "../doctor/recipient-check.ts";
import { redisCheck } from "../doctor/redis-check.ts";
import { type SpfCheckInput, spfCheck } from "../doctor/spf-check.ts";
import { storeCheck } from "../doctor/store-check.ts";
import type { RedisSettings } from "../reputation/redis-access.ts";
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
  /** The keys that mail is signed with, and DNS. */
  openSigningProbe(settings: Settings, log: Log): Promise<DkimCheckInput & { close(): void }>;
}

export interface DoctorSettings {
  readonly dataDir: string;
  readonly listeners: readonly CheckedListener[];
  readonly redis: RedisSettings | null;
  readonly authorities: string | null;
}

/** `postern doctor`: what is around the gateway, line by line; 1 when something has failed. */
export async function doctorCommand<Settings extends DoctorSettings>(
  context: CliContext,
  dependencies: DoctorDependencies<Settings>,
): Promise<number> {
  const { env, cwd, settingsFile } = context;
  const settings = await dependencies.loadSettings({ file: settingsFile, env, cwd });
  const { dataDir, listeners, redis, authorities } = settings;
  const now = Date.now();
  const diagnoses = await examine([
    certificateCheck({ listeners, dataDir, now }),
    keyFileCheck([join(dataDir, "address-keys")]),
    storeCheck({ dataDir, usesRedis: redis !== null }),
    redisCheck({ redis, authorities, clock: createSystemClock() }),
    recipientsOf(context, settings, dependencies, now),
    signingOf(context, settings, dependencies),
  ]);
  return report(context, diagnoses);
}

export interface SpfDependencies<Settings extends DoctorSettings>
  extends Pick<DoctorDependencies<Settings>, "loadSettings"> {
  /** The policy and DNS. */
  openSpfProbe(
    settings: Settings,
    log: Log,
  ): Promise<Omit<SpfCheckInput, "given"> & { close(): Promise<void> }>;
}

/** `postern doctor spf`: what to publish; 1 when mail of ours does not pass. */
export async function doctorSpfCommand<Settings extends DoctorSettings>(
  context: CliContext,
  { loadSettings, openSpfProbe }: SpfDependencies<Settings>,
  given: readonly string[],
): Promise<number> {
  const { env, cwd, settingsFile } = context;
  const settings = await loadSettings({ file: settingsFile, env, cwd });
  const probe = await openSpfProbe(settings, errorLog(context));
  try {
    return report(context, await examine([spfCheck({ ...probe, given })]));
  } finally {
    await probe.close();
  }
}

function report({ out, json }: CliContext, diagnoses: readonly Diagnosis[]): number {
  const ok = diagnoses.every(({ status }) => status !== "fail");
  if (json) out(toJsonLine({ ok, diagnoses }));
  else for (const line of diagnoses.map(toLine)) out(toVisible(line));
  return ok ? EXIT.ok : EXIT.negative;
}

/** Opened only for its own look, so that a policy with mistakes does not keep the others from theirs. */
function recipientsOf<Settings extends DoctorSettings>(
  context: CliContext,
  settings: Settings,
  { openHubProbe }: DoctorDependencies<Settings>,
  now: number,
): DoctorCheck {
  return {
    name: "recipients",
    async run() {
      const probe = await openHubProbe(settings, errorLog(context)).catch(noPolicy);
      try {
        return await recipientCheck({ ...probe, now }).run();
      } finally {
        await probe.close();
      }
    },
  };
}

function signingOf<Settings extends DoctorSettings>(
  context: CliContext,
  settings: Settings,
  { openSigningProbe }: DoctorDependencies<Settings>,
): DoctorCheck {
  return {
    name: "dkim",
    async run() {
      const probe = await openSigningProbe(settings, errorLog(context)).catch(noPolicy);
      try {
        return await dkimCheck(probe).run();
      } finally {
        probe.close();
      }
    },
  };
}

function errorLog({ err }: CliContext): Log {
  return createLog({ level: "error", format: "json", write: (line) => err(line.trimEnd()) });
}

function noPolicy(error: unknown): never {
  throw new Error(`the policies cannot be used; see check (${errorText(error)})`);
}

function toLine({ status, check, subject, detail }: Diagnosis): string {
  return `${status.padEnd(4)}  ${check}  ${subject}: ${detail}`;
}
