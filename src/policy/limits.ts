import { z } from "zod";
import { HEADER_BYTES_MAX } from "../mail/header-collector.ts";
import type { SmtpLimits } from "../smtp/smtp-limits.ts";
import { type BackPressureLimits, backPressureSchema } from "./back-pressure-limits.ts";
import {
  checkListenerLimits,
  type ListenerLimits,
  listenerLimitsSchema,
} from "./listener-limits.ts";

/** `limits.yaml` with its defaults filled in (behaviour.md section 5). */
export interface Limits extends SmtpLimits {
  readonly message: SmtpLimits["message"] & { readonly receivedHeaders: number };
  readonly memory: { readonly messageBytes: number; readonly totalBytes: number };
  readonly delivery: {
    /** How long the client waits for the hub before the message is spooled. */
    readonly waitSeconds: number;
    readonly retryFirstSeconds: number;
    readonly retryMaxSeconds: number;
    readonly warnAfterSeconds: number;
    readonly giveUpAfterSeconds: number;
  };
  readonly disk: { readonly minFreePercent: number };
  readonly backPressure: BackPressureLimits;
  /** By name of the listener: what is different there. */
  readonly listeners: Readonly<Record<string, ListenerLimits>>;
}

/** How long stores keep what they hold; written in `limits.yaml` beside the limits. */
export interface Retention {
  readonly quarantine: { readonly keepDays: number };
  readonly tracking: { readonly keepDays: number };
}

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const DAY_SECONDS = 24 * 60 * 60;
/** Node's timers hold 2^31 - 1 ms; more would fire at once. */
const MAX_TIMER_SECONDS = 2_147_483;

function count(byDefault: number, most: number): z.ZodDefault<z.ZodInt> {
  return z.int().min(1).max(most).default(byDefault);
}

function seconds(byDefault: number, most: number = MAX_TIMER_SECONDS): z.ZodDefault<z.ZodInt> {
  return count(byDefault, most);
}

const CONNECTIONS = {
  max: count(2000, 100_000),
  perClient: count(20, 100_000),
  newPerClientPerMinute: count(60, 1_000_000),
};

const connections = z.strictObject(CONNECTIONS).refine(({ max, perClient }) => perClient <= max, {
  path: ["perClient"],
  message: "expected at most connections.max",
});

const SESSION = {
  transactions: count(100, 1_000_000),
  recipients: count(200, 100_000),
  errorsSoft: count(10, 10_000),
  errorsHard: count(20, 10_000),
  unknownSoft: count(10, 1_000_000),
  unknownHard: count(100, 1_000_000),
  // RFC 5321 4.5.3.2.3: a client waits five minutes for the reply to RCPT.
  unknownDelaySeconds: z.int().min(0).max(60).default(5),
  idleCommands: count(100, 1_000_000),
  // RFC 5321 4.5.3.1.4: a command line of 512 octets must work.
  commandBytes: z
    .int()
    .min(512)
    .max(64 * KiB)
    .default(2048),
  commandWaitSeconds: seconds(300),
  commandLineSeconds: seconds(60),
  totalSeconds: seconds(30 * 60),
  // RFC 5321 4.5.3.2.1: a client waits five minutes for its greeting; the stages take of it too.
  greetDelaySeconds: z.int().min(0).max(60).default(0),
};

const session = z
  .strictObject(SESSION)
  .refine(({ errorsSoft, errorsHard }) => errorsSoft <= errorsHard, {
    path: ["errorsSoft"],
    message: "expected at most session.errorsHard",
  })
  .refine(({ unknownSoft, unknownHard }) => unknownSoft <= unknownHard, {
    path: ["unknownSoft"],
    message: "expected at most session.unknownHard",
  });

const MESSAGE = {
  // RFC 5321 4.5.3.1.7: 64 KiB of content must work.
  maxBytes: z
    .int()
    .min(64 * KiB)
    .max(2 * GiB)
    .default(25 * MiB),
  // A header section is kept in memory, its empty line included.
  headerBytes: z
    .int()
    .min(KiB)
    .max(HEADER_BYTES_MAX - 2)
    .default(256 * KiB),
  headerLines: z.int().min(10).max(100_000).default(1000),
  // RFC 5321 6.3: a limit below 100 hops is common today; one below 10 breaks real mail.
  receivedHeaders: z.int().min(10).max(1000).default(50),
  minBytesPerSecond: count(500, 100 * MiB),
};

const memory = z
  .strictObject({
    messageBytes: z
      .int()
      .min(16 * KiB)
      .max(2 * GiB)
      .default(MiB),
    totalBytes: z
      .int()
      .min(MiB)
      .max(1024 * GiB)
      .default(256 * MiB),
  })
  .refine(({ messageBytes, totalBytes }) => messageBytes <= totalBytes, {
    path: ["messageBytes"],
    message: "expected at most memory.totalBytes",
  });

const delivery = z
  .strictObject({
    // RFC 5321 4.5.3.2.6: a client waits 10 minutes for the reply to its final dot.
    waitSeconds: seconds(20, 9 * 60),
    retryFirstSeconds: seconds(5 * 60),
    retryMaxSeconds: seconds(60 * 60),
    warnAfterSeconds: seconds(4 * 60 * 60),
    giveUpAfterSeconds: seconds(5 * DAY_SECONDS),
  })
  .refine(({ retryFirstSeconds, retryMaxSeconds }) => retryFirstSeconds <= retryMaxSeconds, {
    path: ["retryFirstSeconds"],
    message: "expected at most delivery.retryMaxSeconds",
  })
  .refine(({ warnAfterSeconds, giveUpAfterSeconds }) => warnAfterSeconds <= giveUpAfterSeconds, {
    path: ["warnAfterSeconds"],
    message: "expected at most delivery.giveUpAfterSeconds",
  });

const keep = (byDefault: number) => z.strictObject({ keepDays: count(byDefault, 3650) });

/** `limits.yaml`: whatever is left out has its default. */
export const limitsSchema: z.ZodType<Limits & Retention> = z
  .strictObject({
    connections: connections.prefault({}),
    session: session.prefault({}),
    message: z.strictObject(MESSAGE).prefault({}),
    memory: memory.prefault({}),
    delivery: delivery.prefault({}),
    disk: z.strictObject({ minFreePercent: z.number().min(0).max(90).default(2) }).prefault({}),
    backPressure: backPressureSchema,
    quarantine: keep(30).prefault({}),
    tracking: keep(30).prefault({}),
    listeners: listenerLimitsSchema({
      connections: CONNECTIONS,
      session: SESSION,
      message: MESSAGE,
    }),
  })
  .superRefine(checkListenerLimits);
