import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Clock, createSystemClock } from "../../src/base/clock.ts";
import { Unavailable } from "../../src/base/errors.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createMetrics, type Metrics } from "../../src/base/metrics.ts";
import type { MessageSource } from "../../src/mail/message.ts";
import type { Resolver } from "../../src/net/resolver.ts";
import { createFactBus, type Fact, type FactBus } from "../../src/pipeline/facts.ts";
import type { Limits } from "../../src/policy/limits.ts";
import { toRouting } from "../../src/policy/routing.ts";
import type { Connector, ConnectorTarget, Routing, Smarthost } from "../../src/policy/snapshot.ts";
import type { Hold, NewHold, Quarantine } from "../../src/quarantine/quarantine.ts";
import { createOurSelf } from "../../src/relay/hubs/own-names.ts";
import { createRelay, type Leg, type Relay } from "../../src/relay/relay.ts";
import type { TlsPolicy } from "../../src/relay/tls/tls-policy.ts";
import { CLIENT_TIMES } from "../../src/smtp/client-times.ts";
import { createSmtpConnector } from "../../src/smtp/nodemailer-client.ts";
import type { RecipientFate } from "../../src/smtp/smtp-client.ts";
import { createDiskSpool } from "../../src/spool/disk-spool.ts";
import type { Spool } from "../../src/spool/spool.ts";
import { afterwards } from "./afterwards.ts";
import { readAll } from "./bytes-source.ts";
import type { FakeClock } from "./fake-clock.ts";
import type { ScriptedHub } from "./scripted-hub.ts";
import { toSpoolItem } from "./spool-item.ts";

/** A relay with a real spool and real sockets; the quarantine is kept in memory. */
export interface RelayBench {
  readonly relay: Relay;
  readonly metrics: Metrics;
  readonly spool: Spool;
  readonly folder: string;
  readonly facts: readonly Fact[];
  readonly holds: readonly (NewHold & { readonly bytes: Buffer })[];
  /** While set, `hold` throws it. */
  failHold(error: Error | null): void;
  /** Resolves when the condition holds; looked at every few turns of the event loop. */
  until(condition: () => boolean): Promise<void>;
  /**
   * The same with a fake clock, which moves only while nothing is being delivered, to the time when
   * the next entry is due: a slow machine must not make limits expire.
   */
  pass(condition: () => boolean): Promise<void>;
}

export interface BenchOptions {
  readonly hubs: readonly Pick<ScriptedHub, "port">[];
  readonly clock?: Clock | FakeClock;
  /** Domains that have a route. Default: x.test and away.test. */
  readonly domains?: readonly string[];
  readonly maxConnections?: number;
  readonly limits?: Partial<Limits["delivery"]>;
  /** Instead of the connector to the hubs. */
  readonly connectors?: readonly Connector[];
  /** Default: no name can be looked up. */
  readonly resolver?: Pick<Resolver, "lookup">;
  /** Default: MX hosts are met as their connector says. */
  readonly tlsPolicy?: TlsPolicy | ((facts: FactBus) => TlsPolicy);
  /** PEM; trusted instead of the well-known ones. */
  readonly authorities?: string;
  /** Default: always 0.5. */
  readonly random?: () => number;
  /** Of a bench that is gone: its spool is recovered. */
  readonly folder?: string;
}

const NO_DNS: Pick<Resolver, "lookup"> = {
  lookup: async () => ({ kind: "temporary", reason: "this bench has no DNS" }),
};

const LIMITS: Limits["delivery"] = {
  waitSeconds: 20,
  retryFirstSeconds: 300,
  retryMaxSeconds: 3600,
  warnAfterSeconds: 14_400,
  giveUpAfterSeconds: 432_000,
};

export async function openRelayBench(t: TestContext, options: BenchOptions): Promise<RelayBench> {
  const { clock = createSystemClock(), limits = {}, tlsPolicy } = options;
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "postern-relay-"));
  if (!options.folder) afterwards(t, () => rmSync(folder, { recursive: true, force: true }));
  const log = createSilentLog();
  const facts: Fact[] = [];
  const bus = createFactBus((error) => {
    throw error;
  });
  bus.listen((fact) => void facts.push(fact));
  const { quarantine, holds, fail } = memoryQuarantine();
  const spool = createDiskSpool({ folder, clock, log });
  await spool.recover();
  const metrics = createMetrics();
  const relay = createRelay({
    routing: () => routingTo(options),
    spool,
    queue: spool,
    quarantine,
    connector: createSmtpConnector({
      clock,
      log,
      hostname: "mx.postern.test",
      resolveHost: async () => [],
      times: CLIENT_TIMES,
      ...(options.authorities !== undefined && { authorities: options.authorities }),
    }),
    resolver: options.resolver ?? NO_DNS,
    ourSelf: createOurSelf({ names: ["mx.postern.test"], listening: [] }),
    facts: bus,
    clock,
    log,
    metrics,
    limits: () => ({ ...LIMITS, ...limits }),
    hostname: "mx.postern.test",
    random: options.random ?? (() => 0.5),
    ...(tlsPolicy && { tlsPolicy: typeof tlsPolicy === "function" ? tlsPolicy(bus) : tlsPolicy }),
  });
  afterwards(t, () => relay.stop(0));
  const pass = (condition: () => boolean) =>
    until(condition, async () => {
      const fake: Clock & Partial<FakeClock> = clock;
      const dueAt = spool.nextDueAt();
      const isIdle = spool.stats().active === 0 && dueAt !== null && dueAt > clock.now();
      await fake.advance?.(isIdle ? dueAt - clock.now() : 0);
    });
  return { relay, metrics, spool, folder, facts, holds, failHold: fail, until, pass };
}

function routingTo({ hubs, domains, maxConnections = 20, connectors }: BenchOptions): Routing {
  const own = toTestConnector({
    domains: domains ?? ["x.test", "away.test"],
    hosts: hubs,
    maxConnections,
  });
  return toRouting(connectors ?? [own]);
}

interface TestConnectorOptions extends Partial<Connector> {
  /** Smarthosts in order of preference, on 127.0.0.1 unless they say otherwise. */
  readonly hosts?: readonly (Partial<Smarthost> & Pick<Smarthost, "port">)[];
}

/** A connector in the clear, but for what is given. */
export function toTestConnector({ hosts = [], ...given }: TestConnectorOptions): Connector {
  const to: ConnectorTarget = {
    kind: "smarthosts",
    hosts: hosts.map(({ host = "127.0.0.1", port, priority, weight = 1 }, at) => ({
      host,
      port,
      weight,
      priority: priority ?? at,
    })),
  };
  return {
    name: "hub",
    domains: ["*"],
    cost: 1,
    to,
    tls: { mode: "none", names: [], ca: null, pins: [], identity: null },
    sourceAddresses: [],
    ehlo: null,
    auth: null,
    maxConnections: 20,
    messagesPerConnection: 100,
    ...given,
  };
}

function memoryQuarantine() {
  const holds: (NewHold & { bytes: Buffer })[] = [];
  let failure: Error | null = null;
  const hold = async (item: NewHold, source: MessageSource): Promise<Hold> => {
    if (failure) throw failure;
    const bytes = await readAll(source);
    holds.push({ ...item, bytes });
    const id = `hold-${holds.length}`;
    return {
      ...item,
      id,
      bytes: bytes.length,
      sha256: "",
      state: "held",
      releasedBy: null,
    };
  };
  const quarantine: Pick<Quarantine, "hold"> = { hold };
  return {
    quarantine,
    holds,
    fail: (error: Error | null) => {
      failure = error;
    },
  };
}

async function until(condition: () => boolean, meanwhile = async () => {}): Promise<void> {
  const end = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`in vain: ${condition}`);
    await meanwhile();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A leg as the gateway makes it. */
export function toLeg(recipients: readonly string[], change: Partial<Leg> = {}): Leg {
  const item = toSpoolItem(createSystemClock(), recipients);
  return { ...item, ...change };
}

export function kindsOf(fates: readonly RecipientFate[]): readonly string[] {
  return fates.map((fate) => `${fate.kind} ${fate.reply.code}`);
}

export const QUARANTINE_AWAY: Error = new Unavailable("quarantine", "made by a test");
