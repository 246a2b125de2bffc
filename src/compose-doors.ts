import type { Clock } from "./base/clock.ts";
import type { Log } from "./base/log.ts";
import type { Exposition, Metrics } from "./base/metrics.ts";
import { createStatusServer, type Readiness } from "./gateway/status-server.ts";
import type { ListenerSettings, Settings } from "./settings.ts";
import { createConnectionCounters } from "./smtp/connection-counters.ts";
import type { Arrival } from "./smtp/session-host.ts";
import type { SmtpLimits } from "./smtp/smtp-limits.ts";
import { createSmtpListener, type SmtpListener } from "./smtp/smtp-listener.ts";
import { createSmtpMetrics, type SmtpMetrics } from "./smtp/smtp-metrics.ts";

export interface DoorDeps {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly limits: () => SmtpLimits;
}

/** The listening sockets of a gateway and what they count together. */
export interface Doors {
  readonly metrics: SmtpMetrics;
  /** Rejects when an address cannot be had. */
  open(admit: (own: ListenerSettings, arrival: Arrival, leave: () => void) => void): Promise<void>;
  addresses(): readonly { readonly name: string; readonly host: string; readonly port: number }[];
  close(): void;
}

export function createDoors(deps: DoorDeps): Doors {
  const { settings, clock, log, limits } = deps;
  const counters = createConnectionCounters(clock);
  const metrics = createSmtpMetrics(deps.metrics, () => counters.open());
  const opened: { readonly name: string; readonly listener: SmtpListener }[] = [];
  return {
    metrics,
    async open(admit) {
      for (const own of settings.listeners) {
        const { name, kind, hostname, listen } = own;
        const listener = createSmtpListener({
          listener: { name, kind, hostname },
          listen,
          limits,
          clock,
          log,
          metrics,
          counters,
          admit: (arrival, leave) => admit(own, arrival, leave),
        });
        await listener.listen();
        opened.push({ name, listener });
      }
    },
    addresses: () => opened.map(({ name, listener }) => ({ name, ...listener.address() })),
    close() {
      for (const { listener } of opened) listener.close();
    },
  };
}

/** /metrics, /healthz, /readyz, when the settings ask for them. */
export async function openStatus(
  stack: AsyncDisposableStack,
  { metrics }: Settings,
  expose: () => Promise<Exposition>,
  readiness: () => Promise<Readiness>,
): Promise<{ readonly host: string; readonly port: number } | null> {
  if (!metrics) return null;
  const server = createStatusServer(expose, readiness);
  const address = await server.listen(metrics.listen.host, metrics.listen.port);
  stack.defer(() => server.close());
  return address;
}
