import type { Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import {
  createProcessChannel,
  type Operations,
  type ProcessChannel,
} from "../base/process-channel.ts";
import { toProcessPort } from "../base/process-port.ts";

export interface Role {
  /** Besides start, ping and stop. */
  readonly operations: Operations;
  readonly onHanded?: (about: unknown, socket: Socket | undefined) => void;
  /** Lets what is under way end. */
  stop(deadlineMs: number): Promise<void>;
}

/** Without a supervisor there is nobody to report to, and a new one will want our data folder. */
const ORPHAN_DEADLINE_MS = 10_000;

/**
 * Makes this process one that a supervisor keeps: the other end of `keepProcess`. Signals are the
 * supervisor's business (a terminal and an init system send them to all of us), and when it dies
 * this process ends what is under way and goes.
 */
export function serveSupervisor<Theirs extends Operations>(
  clock: Clock,
  begin: (
    order: never,
    supervisor: ProcessChannel<Theirs>,
  ) => Promise<{
    readonly role: Role;
    readonly started: unknown;
  }>,
): void {
  let role: Role | null = null;
  let stopped: Promise<void> | null = null;
  const operations: Record<string, (input: never) => unknown> = {
    async start(order: never) {
      const begun = await begin(order, channel);
      role = begun.role;
      Object.assign(operations, role.operations);
      return begun.started;
    },
    ping() {},
    stop: (deadlineMs: number) => stop(deadlineMs),
  };
  const stop = (deadlineMs: number): Promise<void> => {
    stopped ??= (role?.stop(deadlineMs) ?? Promise.resolve()).finally(() => {
      // After the answer to `stop` has left.
      setImmediate(() => process.exit(0));
    });
    return stopped;
  };
  const channel = createProcessChannel<Theirs>({
    name: "supervisor",
    port: toProcessPort(process),
    clock,
    operations,
    onHanded: (about, socket) => {
      if (role?.onHanded) role.onHanded(about, socket);
      else socket?.destroy();
    },
    onClose: () => void stop(ORPHAN_DEADLINE_MS),
  });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => {});
}
