import type { Socket } from "node:net";
import type { Log } from "./base/log.ts";
import type { ProcessChannel } from "./base/process-channel.ts";
import {
  type Ground,
  layGround,
  openIndexes,
  openServices,
  spaceOf,
  spoolPlace,
} from "./compose-ground.ts";
import { openTrust } from "./compose-logons.ts";
import { openOutboundTls } from "./compose-outbound-tls.ts";
import { openPolicy, type Policy } from "./compose-policy.ts";
import { openToldPressure } from "./compose-pressure.ts";
import { openRelay } from "./compose-relay.ts";
import {
  type Order,
  processTag,
  type Started,
  type SupervisorOperations,
} from "./compose-roles.ts";
import { tellFacts } from "./compose-service.ts";
import {
  authservIdsOf,
  openMessages,
  openSessionHosts,
  type SessionHosts,
} from "./compose-sessions.ts";
import { createRemoteRateCounters } from "./reputation/remote-rate-counters.ts";
import type { SessionReport } from "./smtp/known-clients.ts";
import { createSmtpMetrics } from "./smtp/smtp-metrics.ts";
import { createRemoteSpool } from "./spool/remote-spool.ts";
import type { SpoolIntake } from "./spool/spool-intake.ts";
import { createRemoteZoneRates } from "./stages/dnsbl/remote-zone-rates.ts";
import { type HandedArrival, NOTHING_TO_REPORT } from "./workers/arrivals.ts";
import type { Role } from "./workers/kept-self.ts";

/** A process that hosts sessions and hands mail to the hub. What it spools another one delivers. */
export async function beginGateway(
  order: Order,
  log: Log,
  supervisor: ProcessChannel<SupervisorOperations>,
): Promise<{ readonly role: Role; readonly started: Started }> {
  await using starting = new AsyncDisposableStack();
  const ground = layGround(order.settings, log, order.gateways);
  starting.defer(() => ground.resolver.close());
  const tag = processTag(order.name, process.pid);
  const { policy, relay, trust, told, hosts } = await openParts(starting, ground, tag, supervisor);
  const open = starting.move();
  return {
    started: toStarted(policy),
    role: {
      operations: {
        reload: async () => void (await policy.reload()),
        reloadCertificates: trust.reload,
        stress(isOn: boolean) {
          for (const host of hosts.values()) host.stress(isOn);
        },
        pressure: told,
        metrics: () => ground.metrics.snapshot(),
      },
      onHanded: (about, socket) => seat(hosts, about as HandedArrival, socket, supervisor),
      async stop(deadlineMs) {
        const endsAt = ground.clock.monotonic() + deadlineMs;
        await Promise.all([...hosts.values()].map((host) => host.drain(deadlineMs)));
        await relay.stop(Math.max(0, endsAt - ground.clock.monotonic()));
        await open.disposeAsync();
      },
    },
  };
}

/** From the policy to the hosts of sessions, in the order in which they stand on each other. */
async function openParts(
  stack: AsyncDisposableStack,
  ground: Ground,
  tag: string,
  supervisor: ProcessChannel<SupervisorOperations>,
) {
  const policy = await openPolicy(stack, ground);
  const indexes = openIndexes(stack, ground, { recovers: false });
  const spool = openRemoteSpool(ground, policy, tag, supervisor);
  const outbound = await openOutboundTls(ground);
  const onReached = (destination: string) => supervisor.tell("reached", destination);
  const handsOver = { ...indexes, spool, queue: null, onReached };
  const relay = openRelay(ground, policy, handsOver, outbound);
  tellFacts(stack, ground, policy, indexes);
  stack.defer(() => relay.stop(0));
  const counters = indexes.countersBeside(createRemoteRateCounters(supervisor));
  const zoneRates = createRemoteZoneRates({ ...ground, owner: supervisor });
  stack.defer(() => zoneRates.close());
  const services = openServices(stack, ground, relay, { ...indexes, counters, zoneRates });
  const messages = await openMessages(ground, policy);
  const authservIds = authservIdsOf(ground);
  const { pressure, told } = await openToldPressure(stack, ground, policy, messages);
  const stores = { ...indexes, spool };
  const house = { ...ground, ...stores, policy, relay, services, messages, authservIds, pressure };
  const metrics = createSmtpMetrics(ground.metrics, COUNTED_ELSEWHERE);
  const trust = await openTrust(stack, ground, counters);
  const hosts = openSessionHosts(stack, { ground, policy, house, ...trust, metrics });
  return { policy, relay, trust, told, hosts };
}

function toStarted(policy: Policy): Started {
  const { version, limits } = policy.current();
  return { policy: version, limits };
}

/** By the supervisor. */
const COUNTED_ELSEWHERE = { open: () => 0, isStressed: () => false } as const;

function openRemoteSpool(
  ground: Ground,
  policy: Policy,
  from: string,
  owner: ProcessChannel<SupervisorOperations>,
): SpoolIntake {
  const hasSpace = spaceOf(ground, () => policy.current().limits.disk.minFreePercent);
  return createRemoteSpool({ ...spoolPlace(ground), from, owner, hasSpace });
}

/** A client that was gone before he came here has no socket any more. */
function seat(
  hosts: SessionHosts,
  { connection, head, ...about }: HandedArrival,
  socket: Socket | undefined,
  supervisor: ProcessChannel<SupervisorOperations>,
): void {
  const leave = (report: SessionReport) => supervisor.tell("left", { connection, report });
  const host = hosts.get(about.client.listener.name);
  if (!socket || !host) {
    socket?.destroy();
    leave(NOTHING_TO_REPORT);
    return;
  }
  supervisor.tell("seated", connection);
  socket.on("error", () => socket.destroy());
  host.admit({ ...about, socket, head: Buffer.from(head) }, leave);
}
