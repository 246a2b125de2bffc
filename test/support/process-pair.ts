import type { Clock } from "../../src/base/clock.ts";
import {
  createProcessChannel,
  type Operations,
  type ProcessChannel,
  type ProcessPort,
} from "../../src/base/process-channel.ts";

/** Two ends of a pipe in one process; what is said is copied as between processes. */
export interface ProcessPair<Left extends Operations, Right extends Operations> {
  /** Speaks to the right side. */
  readonly left: ProcessChannel<Right>;
  readonly right: ProcessChannel<Left>;
  /** As if one of the processes had died. */
  cut(): void;
}

export function createProcessPair<Left extends Operations, Right extends Operations>(
  clock: Clock,
  operations: { readonly left: Left; readonly right: Right },
): ProcessPair<Left, Right> {
  const a = createEnd();
  const b = createEnd();
  a.other = b;
  b.other = a;
  return {
    left: createProcessChannel<Right>({
      name: "right",
      port: a.port,
      clock,
      operations: operations.left,
    }),
    right: createProcessChannel<Left>({
      name: "left",
      port: b.port,
      clock,
      operations: operations.right,
    }),
    cut() {
      for (const end of [a, b]) end.close();
    },
  };
}

interface End {
  other: End | null;
  readonly port: ProcessPort;
  hear(message: unknown): void;
  close(): void;
}

function createEnd(): End {
  let hear: (message: unknown) => void = () => {};
  let close = () => {};
  const end: End = {
    other: null,
    hear: (message) => hear(message),
    close: () => close(),
    port: {
      send: (message) => {
        const copy = structuredClone(message);
        queueMicrotask(() => end.other?.hear(copy));
      },
      onMessage: (listener) => {
        hear = (message) => listener(message, undefined);
      },
      onClose: (listener) => {
        close = listener;
      },
    },
  };
  return end;
}
