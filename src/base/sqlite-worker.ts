import { Worker } from "node:worker_threads";
import { type Clock, startDeadline } from "./clock.ts";
import { errorText, Unavailable } from "./errors.ts";
import type { StoreFile } from "./sqlite-database.ts";
import type { StoreOperations, ThreadRequest, ThreadResponse } from "./sqlite-thread.ts";

/**
 * A store's SQLite connection in a thread of its own, since node:sqlite is synchronous. Calls run
 * in order. A thread that died is replaced at the next call.
 */
export interface SqliteWorker<Operations extends StoreOperations> {
  /**
   * Throws Unavailable when the operation fails, the thread dies, or the limit passes; after a
   * limit the operation may still take effect.
   */
  call<Name extends keyof Operations & string>(
    operation: Name,
    input: Parameters<Operations[Name]>[1],
  ): Promise<ReturnType<Operations[Name]>>;
  /** Lets running calls finish, within the limit, then closes the file. Later calls throw. */
  close(): Promise<void>;
}

export interface SqliteWorkerOptions {
  /** In the operator's word, for Unavailable: "tracking", "quarantine". */
  readonly dependency: string;
  readonly file: string;
  readonly durable: boolean;
  /** The file that calls `serveStore`. */
  readonly thread: URL;
  readonly clock: Clock;
  /** For one call, its wait in the line included. */
  readonly limitMs: number;
  /** A call over the limit costs the thread its life. For searches, never for writes. */
  readonly endWhenLate?: boolean;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiting>;
  readonly gone: Promise<void>;
}

export function createSqliteWorker<Operations extends StoreOperations>(
  options: SqliteWorkerOptions,
): SqliteWorker<Operations> {
  const { clock, limitMs } = options;
  let thread: Thread | null = null;
  let nextCall = 1;
  let closed = false;

  /** The next call starts another. */
  const forget = (gone: Thread) => {
    if (thread === gone) thread = null;
  };

  const start = (): Thread => {
    const started = startThread(options);
    void started.gone.then(() => forget(started));
    return started;
  };

  const send = (operation: string, input: unknown): Promise<unknown> => {
    if (closed) throw new Unavailable(options.dependency, "closed");
    thread ??= start();
    const current = thread;
    return ask(current, { call: nextCall++, operation, input }, options, () => {
      if (!options.endWhenLate) return;
      forget(current);
      void current.worker.terminate();
    });
  };

  return {
    call: async (operation, input) => (await send(operation, input)) as never,
    async close() {
      closed = true;
      if (!thread) return;
      const { worker, gone } = thread;
      worker.ref();
      worker.postMessage("close");
      const cancel = clock.after(limitMs, () => void worker.terminate());
      await gone;
      cancel();
    },
  };
}

/** An idle thread does not keep the process alive, a waiting call does. */
async function ask(
  { worker, waiting }: Thread,
  request: ThreadRequest,
  { clock, dependency, limitMs }: SqliteWorkerOptions,
  onLate: () => void,
): Promise<unknown> {
  const deadline = startDeadline(clock, limitMs);
  try {
    return await new Promise((resolve, reject) => {
      deadline.signal.addEventListener("abort", () => {
        const reason = `no answer to ${request.operation} within ${limitMs} ms`;
        reject(new Unavailable(dependency, reason));
        onLate();
      });
      waiting.set(request.call, { resolve, reject });
      worker.ref();
      worker.postMessage(request);
    });
  } finally {
    deadline.clear();
    waiting.delete(request.call);
    if (waiting.size === 0) worker.unref();
  }
}

function startThread({ dependency, file, durable, thread }: SqliteWorkerOptions): Thread {
  const away = (reason: string) => new Unavailable(dependency, reason);
  const workerData: StoreFile = { file, durable };
  const worker = new Worker(thread, { workerData });
  const waiting = new Map<number, Waiting>();
  const failAll = (reason: string) => {
    for (const { reject } of waiting.values()) reject(away(reason));
  };
  worker.on("message", (response: ThreadResponse) => {
    const caller = waiting.get(response.call);
    if (response.ok) caller?.resolve(response.result);
    else caller?.reject(away(response.message));
  });
  worker.on("error", (error) => failAll(`its thread failed: ${errorText(error)}`));
  const gone = new Promise<void>((resolve) => {
    worker.on("exit", () => {
      failAll("its thread ended");
      resolve();
    });
  });
  worker.unref();
  return { worker, waiting, gone };
}
