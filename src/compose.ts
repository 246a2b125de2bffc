/**
 * Puts the house together; with compose-*.ts the only code that knows every implementation. A start goes: lock, policy, stores, recovery of the
 * spool, relay, control socket, listeners; nothing listens before the spool is recovered. A stop
 * goes the other way.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createBufferGarbage } from "./base/buffer-garbage.ts";
import { Unavailable } from "./base/errors.ts";
import type { Log } from "./base/log.ts";
import { storeCommands } from "./compose-commands.ts";
import { type Ground, layGround, openServices, openStores, type Stores } from "./compose-ground.ts";
import { controlPath } from "./control/control.ts";
import { createControlServer } from "./control/control-server.ts";
import { createDataLock } from "./control/data-lock.ts";
import { startHousekeeping } from "./gateway/housekeeping.ts";
import { createReceiver } from "./gateway/receive.ts";
import { createStatusServer, type Readiness } from "./gateway/status-server.ts";
import { countFacts, logFacts } from "./gateway/tell-facts.ts";
import type { MessageStore } from "./mail/message.ts";
import { createMessageStore } from "./mail/message-store.ts";
import { lookUpAddresses } from "./net/tcp.ts";
import { limitsFor } from "./policy/listener-limits.ts";
import { createPolicyHolder } from "./policy/policy-holder.ts";
import type { PolicyHolder, PolicySnapshot } from "./policy/snapshot.ts";
import { createRelay, type Relay } from "./relay/relay.ts";
import type { ListenerSettings, Settings } from "./settings.ts";
import { type Certificate, loadCertificate, ownCertificate } from "./smtp/certificate.ts";
import { createConnectionCounters } from "./smtp/connection-counters.ts";
import { createKnownClients } from "./smtp/known-clients.ts";
import { createSmtpConnector } from "./smtp/nodemailer-client.ts";
import type { ConnectionHandler } from "./smtp/session-handler.ts";
import { createSessionHost, type SessionHost } from "./smtp/session-host.ts";
import { createSmtpListener, type SmtpListener } from "./smtp/smtp-listener.ts";
import { createSmtpMetrics } from "./smtp/smtp-metrics.ts";
import { createCatalog, type StageServices } from "./stages/catalog.ts";

type Policy = PolicyHolder<StageServices>;

export interface Gateway {
  readonly listeners: readonly {
    readonly name: string;
    readonly host: string;
    readonly port: number;
  }[];
  readonly status: { readonly host: string; readonly port: number } | null;
  /** All or nothing; throws PolicyError and keeps the old policy. */
  reloadPolicy(): Promise<void>;
  /** Takes no more mail, lets what is under way end within the deadline, closes the stores. */
  stop(deadlineMs: number): Promise<void>;
}

/** Throws with the reason when it cannot start; nothing is left open then. */
export async function startGateway(settings: Settings, log: Log): Promise<Gateway> {
  await using starting = new AsyncDisposableStack();
  const ground = layGround(settings, log);
  starting.defer(() => ground.resolver.close());
  await takeLock(starting, settings.dataDir);
  const policy = await openPolicy(starting, ground);
  const stores = openStores(starting, ground, () => policy.current().limits.disk.minFreePercent);
  await stores.spool.recover();
  const relay = openRelay(ground, policy, stores);
  const services = openServices(starting, ground, relay);
  logFacts(ground.facts, log);
  countFacts(ground.facts, ground.metrics);
  ground.facts.listen((fact) => void stores.tracking.record(fact));
  // Also when what comes next fails: without the lock nobody may deliver from this spool.
  starting.defer(() => relay.stop(0));
  relay.start();
  starting.defer(startHousekeeping({ ...ground, policy, ...stores }));
  const about = () => ({ running: true, policy: policy.current().version });
  const commands = storeCommands(ground, stores, relay, about);
  const path = controlPath(settings.dataDir);
  const control = await createControlServer({ path, commands, ...ground });
  starting.defer(() => control.close());
  const messages = await openMessages(settings, policy.current());
  const authservIds = [settings.hostname, ...settings.listeners.map(({ hostname }) => hostname)];
  const house = { ...ground, ...stores, policy, relay, services, messages, authservIds };
  const handler = createReceiver(house);
  const listeners = await openListeners(starting, ground, policy, handler);
  let draining = false;
  const status = await openStatus(starting, ground, () => readiness(policy, draining));
  const open = starting.move();
  log.info("started", { listeners: describe(listeners), policy: policy.current().version });
  return {
    listeners: describe(listeners),
    status,
    reloadPolicy: async () => void (await policy.reload()),
    async stop(deadlineMs) {
      draining = true;
      log.info("stopping");
      const { clock } = ground;
      const endsAt = clock.monotonic() + deadlineMs;
      for (const { listener } of listeners) listener.close();
      await Promise.all(listeners.map(({ host }) => host.drain(deadlineMs)));
      await relay.stop(Math.max(0, endsAt - clock.monotonic()));
      await open.disposeAsync();
      log.info("stopped");
    },
  };
}

async function takeLock(stack: AsyncDisposableStack, dataDir: string): Promise<void> {
  const lock = createDataLock(dataDir);
  if (!(await lock.take("gateway"))) {
    const holder = await lock.holder();
    const who = holder ? `a ${holder.purpose} with process id ${holder.pid}` : "another process";
    throw new Unavailable("data folder", `${dataDir} is held by ${who}`);
  }
  stack.defer(() => lock.release());
}

async function openPolicy(stack: AsyncDisposableStack, ground: Ground): Promise<Policy> {
  const folder = ground.settings.policies;
  const policy = await createPolicyHolder({ folder, catalog: createCatalog(), ...ground });
  stack.defer(() => policy.close());
  return policy;
}

function openRelay(ground: Ground, policy: Policy, stores: Stores): Relay {
  const { settings, clock, log, resolver } = ground;
  const { hostname } = settings;
  const resolveHost = (host: string, signal: AbortSignal) =>
    lookUpAddresses(host, host, { resolver, signal });
  return createRelay({
    ...ground,
    ...stores,
    hostname,
    connector: createSmtpConnector({ clock, log, hostname, resolveHost }),
    routing: () => policy.current().routing,
    limits: () => policy.current().limits.delivery,
    keepDays: () => policy.current().quarantine.keepDays,
  });
}

async function openMessages(
  { dataDir }: Settings,
  { limits }: PolicySnapshot<StageServices>,
): Promise<MessageStore> {
  const tempDir = join(dataDir, "tmp");
  await mkdir(tempDir, { recursive: true, mode: 0o700 });
  const { messageBytes, totalBytes } = limits.memory;
  return createMessageStore({
    tempDir,
    perMessageBytes: messageBytes,
    totalBytes,
    onFileBytes: createBufferGarbage(),
  });
}

async function openListeners(
  stack: AsyncDisposableStack,
  ground: Ground,
  policy: Policy,
  handler: ConnectionHandler,
): Promise<readonly OpenListener[]> {
  const { clock, log } = ground;
  const listeners: OpenListener[] = [];
  const max = () => policy.current().limits.connections.max;
  const stressChanged = (isOn: boolean) => {
    log.warn(isOn ? "stress-begins" : "stress-ends", { connections: counters.open(), max: max() });
    for (const { host } of listeners) host.stress(isOn);
  };
  const counters = createConnectionCounters({ clock, max, stressChanged });
  const known = createKnownClients(clock);
  const metrics = createSmtpMetrics(ground.metrics, counters);
  const { isStressed } = counters;
  for (const own of ground.settings.listeners) {
    const tls = await openCertificate(ground, own);
    const { name, kind, hostname, listen } = own;
    const limits = () => limitsFor(policy.current().limits, name);
    const shared = { limits, clock, log, metrics };
    const host = createSessionHost({ ...shared, handler, tls, isStressed });
    stack.defer(() => host.close());
    const rules = { proxies: own.proxyProtocol, from: own.from };
    const door = { listener: { name, kind, hostname }, rules, counters, known, admit: host.admit };
    const listener = createSmtpListener({ ...shared, ...door, listen });
    await listener.listen();
    stack.defer(() => listener.close());
    listeners.push({ name, listener, host });
  }
  return listeners;
}

interface OpenListener {
  readonly name: string;
  readonly listener: SmtpListener;
  readonly host: SessionHost;
}

function describe(listeners: readonly OpenListener[]): Gateway["listeners"] {
  return listeners.map(({ name, listener }) => ({ name, ...listener.address() }));
}

async function openCertificate(
  { settings, clock, log }: Ground,
  { hostname, tls, name }: ListenerSettings,
): Promise<Certificate> {
  if (tls) return loadCertificate(tls);
  const certificate = await ownCertificate(hostname, settings.dataDir, clock.now());
  log.warn("certificate-self-signed", { listener: name, hostname });
  return certificate;
}

async function openStatus(
  stack: AsyncDisposableStack,
  { settings, metrics }: Ground,
  readiness: () => Readiness,
): Promise<Gateway["status"]> {
  if (!settings.metrics) return null;
  const server = createStatusServer(metrics, readiness);
  const address = await server.listen(settings.metrics.listen.host, settings.metrics.listen.port);
  stack.defer(() => server.close());
  return address;
}

function readiness(policy: Policy, draining: boolean): Readiness {
  const error = policy.lastError();
  const reasons = draining ? ["the gateway is stopping"] : [];
  if (error) reasons.push("the policy files on disk are invalid; the old policy is in force");
  return { ready: !draining, reasons };
}
