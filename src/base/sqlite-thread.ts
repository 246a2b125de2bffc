import { parentPort, workerData } from "node:worker_threads";
import { errorText } from "./errors.ts";
import {
  openStoreDatabase,
  type StoreDatabase,
  type StoreFile,
  type StoreSchema,
} from "./sqlite-database.ts";

/** What one store does with its SQLite file. */
export interface StoreModule extends StoreSchema {
  readonly operations: StoreOperations;
}

/** Synchronous; input and result must survive structured cloning. */
export type StoreOperations = Readonly<
  Record<string, (db: StoreDatabase, input: never) => unknown>
>;

export interface ThreadRequest {
  readonly call: number;
  readonly operation: string;
  readonly input: unknown;
}

export type ThreadResponse =
  | { readonly call: number; readonly ok: true; readonly result: unknown }
  | { readonly call: number; readonly ok: false; readonly message: string };

/** SQLite's primary result codes after which the connection itself is sound. */
const CONNECTION_IS_SOUND: ReadonlySet<number> = new Set([
  5, // BUSY
  13, // FULL
  18, // TOOBIG
  19, // CONSTRAINT
]);

/**
 * The whole of a worker thread that owns one SQLite connection and runs the operations of one
 * store, one after another. It opens the file at the first call, and again after a failure or when
 * the file was moved away, so that a repaired store is in use again without a restart. A store's
 * `*-thread.ts` is the thread's entry and calls this.
 */
export function serveStore(store: StoreModule): void {
  const port = parentPort;
  if (!port) throw new Error("a store is served in a worker thread only");
  const target = workerData as StoreFile;
  let open: StoreDatabase | null = null;
  const drop = () => {
    try {
      open?.close();
    } finally {
      open = null;
    }
  };
  const run = ({ operation, input }: ThreadRequest): unknown => {
    const act = Object.hasOwn(store.operations, operation) ? store.operations[operation] : null;
    if (!act) throw new Error(`no operation ${operation}`);
    if (open?.isMoved()) drop();
    open ??= openStoreDatabase(target, store);
    return act(open, input as never);
  };
  port.on("message", (request: ThreadRequest | "close") => {
    if (request === "close") {
      drop();
      port.close();
      return;
    }
    port.postMessage(answer(request, run, drop));
  });
}

function answer(
  request: ThreadRequest,
  run: (request: ThreadRequest) => unknown,
  drop: () => void,
): ThreadResponse {
  const { call } = request;
  try {
    return { call, ok: true, result: run(request) };
  } catch (error) {
    if (!isConnectionSound(error)) drop();
    return { call, ok: false, message: errorText(error) };
  }
}

function isConnectionSound(error: unknown): boolean {
  if (!(error instanceof Error) || !("errcode" in error)) return false;
  return CONNECTION_IS_SOUND.has(Number(error.errcode) & 0xff);
}
