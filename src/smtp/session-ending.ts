import type { Log } from "../base/log.ts";
import type { DataPhase } from "./data-phase.ts";
import type { ClientFacts } from "./session-handler.ts";
import { dropTransaction, type SessionState } from "./session-state.ts";

/** Tells everybody who knew of a session that it is over, whatever one of them does. */
export async function endSession(
  state: SessionState | null,
  data: DataPhase | null,
  reason: string,
  failed: (error: unknown) => void,
): Promise<void> {
  const steps = [
    () => data?.abandon(),
    () => state && dropTransaction(state, reason),
    () => state?.handler.closed(reason),
  ];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failed(error);
    }
  }
}

/** A handler that throws is a bug of ours: told with its stack. */
export function logFailure(log: Log, client: ClientFacts, error: unknown): void {
  const stack = error instanceof Error ? error.stack : String(error);
  log.error("session-failed", { client: client.ip, listener: client.listener.name, stack });
}
