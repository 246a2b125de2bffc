import type { Clock } from "../../src/base/clock.ts";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog, type Log } from "../../src/base/log.ts";
import { createMetrics, type Metrics } from "../../src/base/metrics.ts";
import { limitsSchema } from "../../src/policy/limits.ts";
import type { Authenticator } from "../../src/smtp/authenticator.ts";
import { makeCertificate } from "../../src/smtp/certificate.ts";
import {
  type ConnectionCounters,
  createConnectionCounters,
} from "../../src/smtp/connection-counters.ts";
import type { DoorRules } from "../../src/smtp/front-door.ts";
import { createHarvestCounts, type HarvestCounts } from "../../src/smtp/harvest-counts.ts";
import { createKnownClients, type KnownClients } from "../../src/smtp/known-clients.ts";
import { type ListenerRules, PLAIN_RULES } from "../../src/smtp/listener-rules.ts";
import type { ListenerTls, TlsSource } from "../../src/smtp/listener-tls.ts";
import type { ConnectionHandler, ListenerFacts } from "../../src/smtp/session-handler.ts";
import { createSessionHost } from "../../src/smtp/session-host.ts";
import type { SmtpLimits } from "../../src/smtp/smtp-limits.ts";
import { createSmtpListener, type SmtpListener } from "../../src/smtp/smtp-listener.ts";
import { createSmtpMetrics } from "../../src/smtp/smtp-metrics.ts";
import { RawClient, type RawClientOptions } from "./raw-client.ts";

const TLS: ListenerTls = {
  own: await makeCertificate("mx.test", Date.now()),
  also: [],
  clients: null,
};
/** One that never changes. */
const FIXED_TLS: TlsSource = { current: () => TLS, onChange: () => () => {} };

const DEFAULTS = limitsSchema.parse({});

/** As limits.yaml has them when it is empty, but for the size: what is too large is soon sent. */
export const DEFAULT_LIMITS: SmtpLimits = {
  connections: DEFAULTS.connections,
  session: DEFAULTS.session,
  message: { ...DEFAULTS.message, maxBytes: 1_000_000 },
};

export interface EdgeOptions {
  readonly limits?: { readonly [Part in keyof SmtpLimits]?: Partial<SmtpLimits[Part]> };
  readonly clock?: Clock;
  readonly log?: Log;
  readonly tls?: TlsSource;
  readonly counters?: ConnectionCounters;
  /** Default: internet. */
  readonly kind?: ListenerFacts["kind"];
  readonly known?: KnownClients;
  readonly harvest?: HarvestCounts;
  readonly rules?: Partial<DoorRules>;
  readonly metrics?: Metrics;
  /** Of the sessions; default: those of an internet listener. */
  readonly listenerRules?: Partial<ListenerRules>;
  /** Default: nobody can log on. */
  readonly authenticator?: Authenticator;
  readonly stressChanged?: (isOn: boolean) => void;
  /** Default: a free one. */
  readonly port?: number;
}

export interface Edge extends AsyncDisposable {
  readonly listener: SmtpListener;
  readonly port: number;
  readonly counters: ConnectionCounters;
  drain(deadlineMs: number): Promise<void>;
  stress(on: boolean): void;
  open(options?: Omit<RawClientOptions, "port">): Promise<RawClient>;
  /** Connected, greeting read. */
  greeted(options?: Omit<RawClientOptions, "port">): Promise<RawClient>;
}

/** The SMTP front on a free port of 127.0.0.1, before any handler. */
export async function startEdge(
  handler: ConnectionHandler,
  options: EdgeOptions = {},
): Promise<Edge> {
  const clock = options.clock ?? createSystemClock();
  const limits: SmtpLimits = {
    connections: { ...DEFAULT_LIMITS.connections, ...options.limits?.connections },
    session: { ...DEFAULT_LIMITS.session, ...options.limits?.session },
    message: { ...DEFAULT_LIMITS.message, ...options.limits?.message },
  };
  const max = () => limits.connections.max;
  const stressChanged = (isOn: boolean) => {
    options.stressChanged?.(isOn);
    host.stress(isOn);
  };
  const counters = options.counters ?? createConnectionCounters({ clock, max, stressChanged });
  const shared = {
    limits: () => limits,
    clock,
    log: options.log ?? createSilentLog(),
    metrics: createSmtpMetrics(options.metrics ?? createMetrics(), counters),
  };
  const host = createSessionHost({
    ...shared,
    handler,
    tls: options.tls ?? FIXED_TLS,
    rules: { ...PLAIN_RULES, ...options.listenerRules },
    authenticator: options.authenticator ?? null,
  });
  const listener = createSmtpListener({
    ...shared,
    listener: { name: "internet", kind: options.kind ?? "internet", hostname: "mx.test" },
    listen: { host: "127.0.0.1", port: options.port ?? 0 },
    rules: { proxies: [], from: null, ...options.rules },
    counters,
    known: options.known ?? createKnownClients(clock),
    harvest: options.harvest ?? createHarvestCounts(clock),
    admit: host.admit,
  });
  await listener.listen();
  const { port } = listener.address();
  const open = (client: Omit<RawClientOptions, "port"> = {}) => RawClient.open({ ...client, port });
  return {
    listener,
    port,
    counters,
    open,
    async greeted(client) {
      const raw = await open(client);
      await raw.reply();
      return raw;
    },
    stress: host.stress,
    drain(deadlineMs) {
      listener.close();
      return host.drain(deadlineMs);
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      host.close();
      await host.drain(0);
    },
  };
}
