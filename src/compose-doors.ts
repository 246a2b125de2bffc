import type { Clock } from "./base/clock.ts";
import type { Log } from "./base/log.ts";
import type { Exposition, Metrics } from "./base/metrics.ts";
import { createStatusServer, type Readiness } from "./gateway/status-server.ts";
import { parseCidr } from "./net/ip.ts";
import type { Limits } from "./policy/limits.ts";
import { limitsFor } from "./policy/listener-limits.ts";
import type { ListenerSettings, Settings } from "./settings.ts";
import { createConnectionCounters } from "./smtp/connection-counters.ts";
import { createHarvestCounts } from "./smtp/harvest-counts.ts";
import { createKnownClients, type SessionReport } from "./smtp/known-clients.ts";
import type { Arrival } from "./smtp/session-host.ts";
import { createSmtpListener, type SmtpListener } from "./smtp/smtp-listener.ts";
import { createSmtpMetrics, type SmtpMetrics } from "./smtp/smtp-metrics.ts";

export interface DoorDeps {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly limits: () => Limits;
  /** The gateway is nearly full, or no longer. */
  readonly stressed: (isOn: boolean) => void;
}

/** The listening sockets of a gateway and what they count together. */
export interface Doors {
  readonly metrics: SmtpMetrics;
  /** Rejects when an address cannot be had. */
  open(admit: Admit): Promise<void>;
  isStressed(): boolean;
  addresses(): readonly { readonly name: string; readonly host: string; readonly port: number }[];
  close(): void;
}

type Admit = (arrival: Arrival, leave: (report: SessionReport) => void) => void;

export function createDoors(deps: DoorDeps): Doors {
  const { settings, clock, log, limits } = deps;
  const max = () => limits().connections.max;
  const counters = createConnectionCounters({
    clock,
    max,
    stressChanged(isOn) {
      const connections = counters.open();
      log.warn(isOn ? "stress-begins" : "stress-ends", { connections, max: max() });
      deps.stressed(isOn);
    },
  });
  const metrics = createSmtpMetrics(deps.metrics, counters);
  const shared = {
    ...{ clock, log, metrics, counters },
    known: createKnownClients(clock),
    harvest: createHarvestCounts(clock),
  };
  const opened: { readonly name: string; readonly listener: SmtpListener }[] = [];
  return {
    metrics,
    async open(admit) {
      for (const own of settings.listeners) {
        const listener = createSmtpListener({ ...shared, ...toDoor(own, limits), admit });
        await listener.listen();
        opened.push({ name: own.name, listener });
      }
    },
    isStressed: counters.isStressed,
    addresses: () => opened.map(({ name, listener }) => ({ name, ...listener.address() })),
    close() {
      for (const { listener } of opened) listener.close();
    },
  };
}

/** What is particular to one listener. */
function toDoor(own: ListenerSettings, limits: () => Limits) {
  const { name, kind, hostname, listen, proxyProtocol } = own;
  const from = own.from.flatMap((text) => parseCidr(text) ?? []);
  return {
    listener: { name, kind, hostname },
    listen,
    limits: () => limitsFor(limits(), name),
    rules: { proxies: proxyProtocol, from: own.from.length > 0 ? from : null },
  };
}

/** /metrics, /healthz, /readyz, when the settings ask for them. */
export async function openStatus(
  stack: AsyncDisposableStack,
  { settings: { metrics }, clock }: Pick<DoorDeps, "settings" | "clock">,
  expose: () => Promise<Exposition>,
  readiness: () => Promise<Readiness>,
): Promise<{ readonly host: string; readonly port: number } | null> {
  if (!metrics) return null;
  const server = createStatusServer(expose, readiness, clock);
  const address = await server.listen(metrics.listen.host, metrics.listen.port);
  stack.defer(() => server.close());
  return address;
}
