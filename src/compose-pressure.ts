import { freemem, totalmem } from "node:os";
import type { Ground, Stores } from "./compose-ground.ts";
import type { Policy } from "./compose-policy.ts";
import {
  type BackPressure,
  type BackPressureOptions,
  createBackPressure,
  type PressureLevels,
} from "./gateway/back-pressure.ts";
import type { MessageStore } from "./mail/message.ts";
import { readUsedPercent } from "./spool/disk-space.ts";

type Probes = BackPressureOptions["probes"];

type Messages = Pick<MessageStore, "memoryBytes">;
type Changed = NonNullable<BackPressureOptions["changed"]>;

/** Of a gateway that is one process. All of these measure until the stack is closed. */
export function openPressure(
  stack: AsyncDisposableStack,
  ground: Ground,
  policy: Policy,
  stores: Pick<Stores, "spool">,
  messages: Messages,
): Promise<BackPressure> {
  const probes = { ...sharedProbes(ground, stores), ...ownProbes(ground, policy, messages) };
  return begin(stack, ground, policy, { probes });
}

/** Of the service: what all processes share, measured for them. */
export function openSharedPressure(
  stack: AsyncDisposableStack,
  ground: Ground,
  policy: Policy,
  stores: Pick<Stores, "spool">,
  changed: Changed,
): Promise<BackPressure> {
  return begin(stack, ground, policy, { probes: sharedProbes(ground, stores), changed });
}

export interface ToldPressure {
  readonly pressure: BackPressure;
  /** What the service has measured. */
  readonly told: Changed;
}

/** Of one of several processes that host sessions: its own memory, and what the service tells. */
export async function openToldPressure(
  stack: AsyncDisposableStack,
  ground: Ground,
  policy: Policy,
  messages: Messages,
): Promise<ToldPressure> {
  let told: PressureLevels = {};
  const probes = ownProbes(ground, policy, messages);
  const pressure = await begin(stack, ground, policy, { probes, told: () => told });
  return {
    pressure,
    told(levels) {
      told = levels;
    },
  };
}

async function begin(
  stack: AsyncDisposableStack,
  { clock, log, metrics }: Ground,
  policy: Policy,
  parts: Pick<BackPressureOptions, "probes" | "told" | "changed">,
): Promise<BackPressure> {
  const limits = () => policy.current().limits.backPressure;
  const pressure = createBackPressure({ clock, log, metrics, limits, ...parts });
  stack.defer(() => pressure.stop());
  await pressure.start();
  return pressure;
}

/** What a gateway has once; with several processes the service measures it for all. */
function sharedProbes({ settings }: Ground, { spool }: Pick<Stores, "spool">): Probes {
  return {
    diskUsedPercent: () => readUsedPercent(settings.dataDir),
    spoolEntries: () => spool.size(),
    systemMemoryPercent: () => 100 - (freemem() * 100) / totalmem(),
  };
}

/** What each process that hosts sessions has: its share of the memory. */
function ownProbes({ gateways }: Ground, policy: Policy, messages: Messages): Probes {
  const percentOfShare = (bytes: number, total: number) => (bytes * gateways * 100) / total;
  return {
    messageMemoryPercent: () =>
      percentOfShare(messages.memoryBytes(), policy.current().limits.memory.totalBytes),
    processMemoryPercent: () => percentOfShare(process.memoryUsage.rss(), memoryForUs()),
  };
}

/** Of the container when it has a limit, else of the machine. */
function memoryForUs(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
