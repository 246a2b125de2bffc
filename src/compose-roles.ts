import type { MetricsSnapshot } from "./base/metrics.ts";
import type { PressureLevels } from "./gateway/back-pressure.ts";
import type { Readiness } from "./gateway/status-server.ts";
import type { Limits } from "./policy/limits.ts";
import type { RateOwnerOperations } from "./reputation/rate-counters.ts";
import type { Settings } from "./settings.ts";
import type { SpoolOwnerOperations } from "./spool/spool-intake.ts";
import type { ZoneOwnerOperations } from "./stages/dnsbl/zone-notes.ts";
import type { LeftArrival } from "./workers/arrivals.ts";
import type { KeptOperations } from "./workers/kept-process.ts";

// What the processes of one gateway ask each other. All of it travels through the supervisor.

/** The first word to a new process. */
export interface Order {
  readonly role: "service" | "gateway";
  /** "gateway-1": in every line of its log. */
  readonly name: string;
  readonly settings: Settings;
  readonly gateways: number;
  /** No other process of this gateway can be at work yet. */
  readonly isFirst: boolean;
}

/** What a process says once it is ready. */
export interface Started {
  readonly policy: string;
  readonly limits: Limits;
}

interface RoleOperations extends KeptOperations {
  start(order: Order): Promise<Started>;
  /** Throws PolicyError and keeps the old policy. */
  reload(input: null): Promise<void>;
  /** Each process holds its own; one that cannot be used leaves the old in force. */
  reloadCertificates(input: null): Promise<void>;
  metrics(input: null): Promise<MetricsSnapshot>;
}

export interface ServiceOperations
  extends RoleOperations,
    SpoolOwnerOperations,
    ZoneOwnerOperations {
  readiness(input: null): Readiness;
  /** A gateway process has died. */
  gone(from: string): Promise<void>;
  /** A gateway process reached a destination that had failed. */
  reached(destination: string): void;
}

export interface GatewayOperations extends RoleOperations {
  /** See SessionHost. */
  stress(isOn: boolean): void;
  /** Of what the service measures for all. */
  pressure(levels: PressureLevels): void;
}

/** What the supervisor does for the others. */
export interface SupervisorOperations
  extends SpoolOwnerOperations,
    RateOwnerOperations,
    ZoneOwnerOperations {
  /** Of connections, which the supervisor counts; the service tells them when they change. */
  limits(limits: Limits): void;
  /** From the service, for all gateways. */
  pressure(levels: PressureLevels): void;
  /** Passed on to the service, which has mail that waits for it. */
  reached(destination: string): void;
  /** A client's socket has come; then, that he has left. */
  seated(connection: number): void;
  left(end: LeftArrival): void;
}

/** Names a process to the owner of the spool; no two have the same. */
export function processTag(name: string, pid: number): string {
  return `${name}-${pid}`;
}
