/**
 * Puts the house together; with compose-*.ts the only code that knows every implementation. A start
 * goes: lock, policy, stores, recovery of the spool, relay, control socket, listeners; nothing
 * listens before the spool is recovered. A stop goes the other way. With several workers the parts
 * stand in processes of their own: compose-supervisor.ts.
 */
import type { Log } from "./base/log.ts";
import { createDoors, openStatus } from "./compose-doors.ts";
import { layGround, openServices } from "./compose-ground.ts";
import { openTrust } from "./compose-logons.ts";
import { openPolicy, readiness, takeLock } from "./compose-policy.ts";
import { openPressure } from "./compose-pressure.ts";
import { openService } from "./compose-service.ts";
import { authservIdsOf, openMessages, openSessionHosts } from "./compose-sessions.ts";
import { superviseGateway } from "./compose-supervisor.ts";
import { createMemoryRateCounters } from "./reputation/memory-rate-counters.ts";
import type { Settings } from "./settings.ts";

export interface Gateway {
  readonly listeners: readonly {
    readonly name: string;
    readonly host: string;
    readonly port: number;
  }[];
  readonly status: { readonly host: string; readonly port: number } | null;
  /** All or nothing; throws PolicyError and keeps the old policy. */
  reloadPolicy(): Promise<void>;
  /** Of users as well. Each listener all or nothing; never rejects: the log says what is wrong. */
  reloadCertificates(): Promise<void>;
  /** Takes no more mail, lets what is under way end within the deadline, closes the stores. */
  stop(deadlineMs: number): Promise<void>;
}

/**
 * Throws with the reason when it cannot start; nothing is left open then. `write` takes the log lines
 * of other processes, with their ends.
 */
export function startGateway(
  settings: Settings,
  log: Log,
  write: (line: string) => void = (line) => void process.stdout.write(line),
): Promise<Gateway> {
  return settings.workers === 1
    ? startOneProcess(settings, log)
    : superviseGateway(settings, log, write);
}

async function startOneProcess(settings: Settings, log: Log): Promise<Gateway> {
  await using starting = new AsyncDisposableStack();
  const ground = layGround(settings, log);
  starting.defer(() => ground.resolver.close());
  await takeLock(starting, ground);
  const policy = await openPolicy(starting, ground);
  const { stores, relay, zoneRates } = await openService(starting, ground, policy);
  const counters = stores.countersBeside(createMemoryRateCounters(ground.clock));
  const services = openServices(starting, ground, relay, { ...stores, counters, zoneRates });
  const messages = await openMessages(ground, policy);
  const authservIds = authservIdsOf(ground);
  const pressure = await openPressure(starting, ground, policy, stores, messages);
  const house = { ...ground, ...stores, policy, relay, services, messages, authservIds, pressure };
  const doors = createDoors({
    ...ground,
    limits: () => policy.current().limits,
    stressed: (isOn) => {
      for (const host of hosts.values()) host.stress(isOn);
    },
  });
  const trust = await openTrust(starting, ground, counters);
  const parts = { ground, policy, house, ...trust, metrics: doors.metrics };
  const hosts = openSessionHosts(starting, parts);
  starting.defer(() => doors.close());
  await doors.open((arrival, leave) =>
    hosts.get(arrival.client.listener.name)?.admit(arrival, leave),
  );
  let draining = false;
  const isReady = async () => readiness(policy, draining, pressure);
  const status = await openStatus(starting, ground, ground.metrics.expose, isReady);
  const open = starting.move();
  log.info("started", { listeners: doors.addresses(), policy: policy.current().version });
  return {
    listeners: doors.addresses(),
    status,
    reloadPolicy: async () => void (await policy.reload()),
    reloadCertificates: trust.reload,
    async stop(deadlineMs) {
      draining = true;
      log.info("stopping");
      const endsAt = ground.clock.monotonic() + deadlineMs;
      doors.close();
      await Promise.all([...hosts.values()].map((host) => host.drain(deadlineMs)));
      await relay.stop(Math.max(0, endsAt - ground.clock.monotonic()));
      await open.disposeAsync();
      log.info("stopped");
    },
  };
}
