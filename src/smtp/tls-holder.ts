import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { CounterMetric } from "../base/metrics.ts";
import { startLaterRounds } from "../base/rounds.ts";
import { createSingleFlight } from "../base/single-flight.ts";
import { openWatchedReading, readingOf } from "../base/watched-reading.ts";
import { EXPIRY_WARNING_MS } from "./inspect-certificate.ts";
import {
  type ListenerIdentity,
  type ListenerTls,
  type ListenerTlsFiles,
  pathsOf,
  readListenerTls,
  type TlsSource,
} from "./listener-tls.ts";

/** A self-signed certificate is made anew long before its end, and an end that nears is told. */
const LOOK_AGAIN_MS = 6 * 60 * 60 * 1000;

export interface TlsHolderInput extends ListenerIdentity {
  readonly listener: string;
  readonly files: ListenerTlsFiles;
  readonly clock: Clock;
  readonly log: Log;
  /** By listener and outcome. */
  readonly reloads: CounterMetric;
}

export interface TlsHolder extends TlsSource {
  /** Reads the files again. All or nothing; never rejects: the log says what is wrong. */
  reload(): Promise<void>;
  /** Milliseconds since the epoch at which the first of the certificates ends. */
  expiresAt(): number;
  close(): void;
}

/**
 * Keeps what a listener shows up to date with its files: what cannot be used leaves the old in
 * force, as when of a pair one file is written and the other not yet. Rejects when there is nothing
 * to begin with.
 */
export async function openTlsHolder(input: TlsHolderInput): Promise<TlsHolder> {
  const { files, clock, log, listener } = input;
  const watched = await openWatchedReading({
    folder: null,
    clock,
    read: readingOf(pathsOf(files), () => readListenerTls(files, input, clock.now())),
    onWatchError: (error) =>
      log.warn("certificate-watch-failed", { listener, error: errorText(error) }),
  });
  const inForce = createInForce(watched.first, input);
  const reload = createSingleFlight(() => watched.read().then(inForce.adopt, inForce.refuse));
  watched.onChange(() => void reload());
  const stopLooking = startLaterRounds(clock, LOOK_AGAIN_MS, async () => {
    await reload();
    inForce.warn();
  });
  inForce.warn();
  return {
    ...inForce,
    reload,
    expiresAt: () => expiresAt(inForce.current()),
    close() {
      stopLooking();
      watched.close();
    },
  };
}

interface InForce extends TlsSource {
  adopt(tls: ListenerTls): void;
  refuse(error: unknown): void;
  /** Tells the log what an operator should change. */
  warn(): void;
}

function createInForce(first: ListenerTls, input: TlsHolderInput): InForce {
  const { listener, hostname, clock, log, reloads } = input;
  let current = first;
  const listeners = new Set<(tls: ListenerTls) => void>();
  return {
    current: () => current,
    onChange(tell) {
      listeners.add(tell);
      return () => void listeners.delete(tell);
    },
    adopt(tls) {
      const isNew = !isSame(tls, current);
      reloads.add({ listener, outcome: isNew ? "applied" : "unchanged" });
      if (!isNew) return;
      current = tls;
      log.info("certificate-reloaded", { listener, expires: toDay(expiresAt(tls)) });
      for (const tell of listeners) tell(tls);
    },
    refuse(error) {
      reloads.add({ listener, outcome: "rejected" });
      const kept = toDay(expiresAt(current));
      log.error("certificate-rejected", { listener, error: errorText(error), keptUntil: kept });
    },
    warn() {
      if (current.own.selfSigned) log.warn("certificate-self-signed", { listener, hostname });
      if (expiresAt(current) - clock.now() > EXPIRY_WARNING_MS) return;
      log.warn("certificate-expires", { listener, expires: toDay(expiresAt(current)) });
    },
  };
}

function isSame(a: ListenerTls, b: ListenerTls): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function expiresAt({ own, also }: ListenerTls): number {
  return Math.min(...[own, ...also].map((certificate) => certificate.expiresAt));
}

function toDay(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
