import { type Clock, createSystemClock } from "./base/clock.ts";
import { errorText, Unavailable } from "./base/errors.ts";
import type { Log } from "./base/log.ts";
import {
  createMetrics,
  exposeTogether,
  type Metrics,
  type MetricsSnapshot,
} from "./base/metrics.ts";
import type { ProcessChannel } from "./base/process-channel.ts";
import type { Gateway } from "./compose.ts";
import { createDoors, type Doors, openStatus } from "./compose-doors.ts";
import {
  type GatewayOperations,
  type Order,
  processTag,
  type ServiceOperations,
  type Started,
  type SupervisorOperations,
} from "./compose-roles.ts";
import type { PressureLevels } from "./gateway/back-pressure.ts";
import type { Readiness } from "./gateway/status-server.ts";
import type { Limits } from "./policy/limits.ts";
import { createMemoryRateCounters } from "./reputation/memory-rate-counters.ts";
import type { RateCounters } from "./reputation/rate-counters.ts";
import type { Settings } from "./settings.ts";
import { closing } from "./smtp/protocol-replies.ts";
import type { Arrival } from "./smtp/session-host.ts";
import { createBouncer } from "./smtp/turn-away.ts";
import { type Arrivals, createArrivals, NOTHING_TO_REPORT } from "./workers/arrivals.ts";
import { type KeptProcess, keepProcess } from "./workers/kept-process.ts";

const ENTRY = new URL("./compose-role-process.ts", import.meta.url);
/** For a scrape: one process that is slow must not hide the others. */
const ASK_LIMIT_MS = 2000;

type ServiceProcess = KeptProcess<ServiceOperations>;
type GatewayProcess = KeptProcess<GatewayOperations>;

interface Crew {
  readonly service: ServiceProcess;
  readonly gateways: readonly GatewayProcess[];
}

/**
 * Several processes as one gateway. This one holds the listening sockets and counts connections, so
 * that the limits hold for all processes together; it reads no mail and no policy. The service
 * process has what exists once (spool, retries, retention, control socket), and each gateway process
 * hosts sessions. Any of them may die: another takes its place, and only its own sessions end.
 */
export async function superviseGateway(
  settings: Settings,
  log: Log,
  write: (line: string) => void,
): Promise<Gateway> {
  await using starting = new AsyncDisposableStack();
  const ground: SupervisorGround = {
    settings,
    log,
    write,
    clock: createSystemClock(),
    metrics: createMetrics({ process: true }),
  };
  const { crew, doors, arrivals, refuse, rules } = assemble(starting, ground);
  starting.defer(() => stopCrew(crew, 0));
  await crew.service.start();
  await Promise.all(crew.gateways.map((one) => one.start()));
  starting.defer(() => doors.close());
  await doors.open((arrival, leave) => {
    if (arrivals.admit(arrival, leave)) return;
    leave(NOTHING_TO_REPORT);
    refuse(arrival);
  });
  let draining = false;
  const isReady = () => readiness(crew, draining);
  const exposeAll = () => expose(crew, ground.metrics);
  const status = await openStatus(starting, ground, exposeAll, isReady);
  const open = starting.move();
  const { workers } = settings;
  log.info("started", { listeners: doors.addresses(), policy: rules.policy, workers });
  return {
    listeners: doors.addresses(),
    status,
    reloadPolicy: () => reload(crew),
    reloadCertificates: () => reloadCertificates(crew),
    async stop(deadlineMs) {
      draining = true;
      log.info("stopping");
      doors.close();
      await stopCrew(crew, deadlineMs);
      await open.disposeAsync();
      log.info("stopped");
    },
  };
}

interface SupervisorGround {
  readonly settings: Settings;
  readonly log: Log;
  readonly write: (line: string) => void;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** What the service last told. */
interface Rules {
  limits: Limits | null;
  policy: string;
  pressure: PressureLevels;
}

interface Assembled extends Pick<GatewayParts, "arrivals" | "refuse"> {
  readonly crew: Crew;
  readonly doors: Doors;
  readonly rules: Readonly<Rules>;
}

/** Nothing runs yet. */
function assemble(stack: AsyncDisposableStack, ground: SupervisorGround): Assembled {
  const { settings, clock } = ground;
  const rules: Rules = { limits: null, policy: "", pressure: {} };
  const stressed = (isOn: boolean) => {
    for (const one of gateways) one.channel()?.tell("stress", isOn);
  };
  const doors = createDoors({ ...ground, limits: () => limitsOf(rules), stressed });
  const arrivals = createArrivals(() => gateways);
  const bouncer = createBouncer(clock);
  stack.defer(() => bouncer.close());
  const refuse = ({ socket, client }: Arrival) =>
    bouncer.turnAway(socket, closing(client.listener.hostname, "unavailable"));
  const keep = { ...ground, entry: ENTRY };
  const service = keepService(keep, settings, (news) => {
    Object.assign(rules, news);
    if (news.pressure) for (const one of gateways) one.channel()?.tell("pressure", news.pressure);
  });
  const pressure = () => rules.pressure;
  const counters = createMemoryRateCounters(clock);
  const parts = { keep, settings, service, arrivals, refuse, doors, pressure, counters };
  const gateways = Array.from({ length: settings.workers }, (_, i) =>
    keepGateway(parts, `gateway-${i + 1}`),
  );
  return { crew: { service, gateways }, doors, arrivals, refuse, rules };
}

type Keep = Pick<Parameters<typeof keepProcess>[0], "clock" | "log" | "write" | "entry">;

function keepService(
  keep: Keep,
  settings: Settings,
  tell: (news: Partial<Started & Pick<Rules, "pressure">>) => void,
): ServiceProcess {
  let isFirst = true;
  return keepProcess<ServiceOperations>({
    ...keep,
    name: "service",
    order: () => toOrder(settings, "service", "service", isFirst),
    operations: {
      limits: (limits: Limits) => tell({ limits }),
      pressure: (pressure: PressureLevels) => tell({ pressure }),
    },
    onReady(_pid, started) {
      isFirst = false;
      tell(started as Started);
    },
  });
}

interface GatewayParts {
  readonly keep: Keep;
  readonly settings: Settings;
  readonly service: ServiceProcess;
  readonly arrivals: Arrivals;
  readonly refuse: (arrival: Arrival) => void;
  readonly doors: Pick<Doors, "isStressed">;
  readonly pressure: () => PressureLevels;
  /** Here, so that a rate holds for all processes and outlives each of them. */
  readonly counters: RateCounters;
}

function keepGateway(parts: GatewayParts, name: string): GatewayProcess {
  const { keep, settings, service, arrivals, refuse, doors, pressure, counters } = parts;
  // While the service is being replaced, who needs the spool waits.
  const operations: SupervisorOperations = {
    adopt: (input) => askService(service, (channel) => channel.call("adopt", input)),
    endLease: (input) => askService(service, (channel) => channel.call("endLease", input)),
    noteZones: (notes) => askService(service, (channel) => channel.call("noteZones", notes)),
    reached: (destination) => service.channel()?.tell("reached", destination),
    seated: (connection) => arrivals.seated(connection),
    left: (end) => arrivals.left(end),
    takeRate: ({ key, amount, limit }) => counters.take(key, amount, limit),
    limits() {},
    pressure() {},
  };
  const process: GatewayProcess = keepProcess<GatewayOperations>({
    ...keep,
    name,
    order: () => toOrder(settings, "gateway", name, false),
    operations,
    onReady() {
      process.channel()?.tell("stress", doors.isStressed());
      process.channel()?.tell("pressure", pressure());
    },
    onGone(pid) {
      arrivals.gone(name, refuse);
      const report = async () => (await service.ready()).call("gone", processTag(name, pid));
      report().catch((error: unknown) => {
        // The service's own start puts the spool in order as well.
        keep.log.warn("process-end-not-told", { process: name, error: errorText(error) });
      });
    },
  });
  return process;
}

/** One that dies with the question unanswered is asked again in its successor. */
async function askService<T>(
  service: ServiceProcess,
  ask: (channel: ProcessChannel<ServiceOperations>) => Promise<T>,
): Promise<T> {
  try {
    return await ask(await service.ready());
  } catch (error) {
    const isGone = error instanceof Unavailable && error.dependency === service.name;
    if (!isGone) throw error;
    return ask(await service.ready());
  }
}

function toOrder(settings: Settings, role: Order["role"], name: string, isFirst: boolean): Order {
  return { role, name, settings, gateways: settings.workers, isFirst };
}

function limitsOf({ limits }: { readonly limits: Limits | null }): Limits {
  if (!limits) throw new Error("the doors opened before the policy was read");
  return limits;
}

async function readiness({ service, gateways }: Crew, draining: boolean): Promise<Readiness> {
  const reasons: string[] = draining ? ["the gateway is stopping"] : [];
  const hosts = gateways.filter((one) => one.channel() !== null).length;
  if (hosts < gateways.length)
    reasons.push(`${gateways.length - hosts} of ${gateways.length} gateway processes are down`);
  const its = await service.channel()?.call("readiness", null, ASK_LIMIT_MS);
  reasons.push(...(its?.reasons ?? ["the service process is down"]));
  return { ready: !draining && hosts > 0 && its?.ready === true, reasons };
}

async function expose({ service, gateways }: Crew, own: Metrics) {
  const ask = async (one: ServiceProcess | GatewayProcess): Promise<readonly MetricsSnapshot[]> => {
    const snapshot = await one
      .channel()
      ?.call("metrics", null, ASK_LIMIT_MS)
      .catch(() => undefined);
    return snapshot ? [snapshot] : [];
  };
  const theirs = await Promise.all([service, ...gateways].map(ask));
  return exposeTogether([await own.snapshot(), ...theirs.flat()]);
}

/** The service first: what it refuses, no process takes. */
async function reload({ service, gateways }: Crew): Promise<void> {
  await (await service.ready()).call("reload", null);
  await Promise.all(gateways.map((one) => one.channel()?.call("reload", null)));
}

/** The service first, which makes those that we make ourselves. */
async function reloadCertificates({ service, gateways }: Crew): Promise<void> {
  await service.channel()?.call("reloadCertificates", null);
  await Promise.all(gateways.map((one) => one.channel()?.call("reloadCertificates", null)));
}

/**
 * Gateways first, since what is under way in them may still have to be spooled. One deadline for all:
 * an init system kills who takes it twice.
 */
async function stopCrew({ service, gateways }: Crew, deadlineMs: number): Promise<void> {
  const clock = createSystemClock();
  const endsAt = clock.monotonic() + deadlineMs;
  await Promise.all(gateways.map((one) => one.stop(deadlineMs)));
  await service.stop(Math.max(0, endsAt - clock.monotonic()));
}
