import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { type Clock, pause } from "../base/clock.ts";
import { errorText, Unavailable } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import {
  createProcessChannel,
  type Operations,
  type ProcessChannel,
} from "../base/process-channel.ts";
import { toProcessPort } from "../base/process-port.ts";

/** What every process of a gateway answers. */
export interface KeptOperations extends Operations {
  /** Resolves when the process is ready for its work. The first call it gets. */
  start(order: never): unknown;
  ping(input: null): void;
  /** Ends what is under way within the deadline, then the process. */
  stop(deadlineMs: number): Promise<void>;
}

export interface KeptProcessOptions {
  /** In the operator's word: "service", "gateway-1". */
  readonly name: string;
  readonly entry: URL;
  /** For the call of `start`; `pid` is that of the new process. */
  readonly order: (pid: number) => unknown;
  readonly operations: Operations;
  readonly clock: Clock;
  readonly log: Log;
  /** Takes whole lines of its log, with their end. */
  readonly write: (line: string) => void;
  readonly onReady?: (pid: number, started: unknown) => void;
  /** Called once for each process that was started, also for one that never got ready. */
  readonly onGone?: (pid: number) => void;
}

/** One process of the gateway: whatever ends it, another takes its place. */
export interface KeptProcess<Theirs extends KeptOperations> {
  readonly name: string;
  /** Throws what `start` of the first process threw; then nothing is left running. */
  start(): Promise<void>;
  /** Null while none is ready. */
  channel(): ProcessChannel<Theirs> | null;
  /** Waits for one that is ready. Throws Unavailable when none comes in time. */
  ready(): Promise<ProcessChannel<Theirs>>;
  stop(deadlineMs: number): Promise<void>;
}

/** Policies of thousands of files, a spool of a million entries. */
const START_LIMIT_MS = 120_000;
/** A process whose event loop stood still for so long is no use to anybody (threats.md R13). */
const PING_EVERY_MS = 5000;
const PING_LIMIT_MS = 30_000;
/** One that dies at once, again and again, must not eat the machine. */
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 10_000;
const PROVEN_AFTER_MS = 60_000;
/** For a replacement, on a busy machine. */
const READY_WAIT_MS = 20_000;
/** After its deadline a process has so long to write down what it knows. */
const LAST_WORDS_MS = 5000;

interface Running<Theirs extends KeptOperations> {
  readonly child: ChildProcess;
  readonly channel: ProcessChannel<Theirs>;
  readonly ended: Promise<unknown>;
}

export function keepProcess<Theirs extends KeptOperations>(
  options: KeptProcessOptions,
): KeptProcess<Theirs> {
  return new Keeper<Theirs>(options);
}

class Keeper<Theirs extends KeptOperations> implements KeptProcess<Theirs> {
  readonly #options: KeptProcessOptions;
  readonly #stopping = new AbortController();
  readonly #waiters = new Set<() => void>();
  #current: Running<Theirs> | null = null;
  #isReady = false;
  #kept: Promise<void> = Promise.resolve();

  constructor(options: KeptProcessOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  async start(): Promise<void> {
    try {
      this.#kept = this.#keep(await this.#begin());
    } catch (error) {
      if (this.#current) await kill(this.#current);
      throw error;
    }
  }

  channel(): ProcessChannel<Theirs> | null {
    return this.#isReady && this.#current ? this.#current.channel : null;
  }

  async ready(): Promise<ProcessChannel<Theirs>> {
    const { clock, name } = this.#options;
    if (!this.channel()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiters.add(resolve);
      await pause(clock, READY_WAIT_MS, abortWhen(promise));
      this.#waiters.delete(resolve);
    }
    const channel = this.channel();
    if (!channel) throw new Unavailable(name, "its process is not running");
    return channel;
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopping.abort(new Error("the gateway is stopping"));
    if (this.#current) await end(this.#current, this.#options.clock, deadlineMs);
    await this.#kept;
  }

  async #begin(): Promise<Running<Theirs>> {
    const { name, log, order, onReady, onGone } = this.#options;
    const running = launch<Theirs>(this.#options, () => {
      this.#isReady = false;
    });
    this.#current = running;
    const pid = running.child.pid ?? 0;
    void running.ended.then(() => {
      this.#isReady = false;
      onGone?.(pid);
    });
    const started = await running.channel.call("start", order(pid) as never, START_LIMIT_MS);
    this.#isReady = true;
    log.info("process-ready", { process: name, pid });
    onReady?.(pid, started);
    for (const tell of this.#waiters) tell();
    return running;
  }

  async #keep(first: Running<Theirs>): Promise<void> {
    const { clock, log, name } = this.#options;
    const { signal } = this.#stopping;
    let backoffMs = FIRST_BACKOFF_MS;
    for (let running: Running<Theirs> | null = first; ; ) {
      const since = clock.monotonic();
      if (running) await watch(running, this.#options, signal);
      if (signal.aborted) return;
      if (clock.monotonic() - since > PROVEN_AFTER_MS) backoffMs = FIRST_BACKOFF_MS;
      const { exitCode = null, signalCode = null } = running?.child ?? {};
      log.error("process-died", { process: name, exitCode, signalCode, restartMs: backoffMs });
      await pause(clock, backoffMs, signal);
      if (signal.aborted) return;
      backoffMs = Math.min(2 * backoffMs, LONGEST_BACKOFF_MS);
      running = await this.#begin().catch((error: unknown) => this.#giveUp(error));
    }
  }

  async #giveUp(error: unknown): Promise<null> {
    const { log, name } = this.#options;
    log.error("process-not-started", { process: name, error: errorText(error) });
    if (this.#current) await kill(this.#current);
    return null;
  }
}

function launch<Theirs extends KeptOperations>(
  options: KeptProcessOptions,
  onClose: () => void,
): Running<Theirs> {
  const { name, entry, clock, log, write } = options;
  const child = fork(entry, [], {
    execArgv: [],
    serialization: "advanced",
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const ended = once(child, "exit").catch(() => {});
  child.on("error", (error) =>
    log.error("process-failed", { process: name, error: error.message }),
  );
  readLines(child.stdout, (line) => write(`${line}\n`));
  readLines(child.stderr, (text) => log.error("process-said", { process: name, text }));
  const port = toProcessPort(child);
  const channel = createProcessChannel<Theirs>({ ...options, name, port, clock, onClose });
  return { child, channel, ended };
}

/** Whole lines, so that two processes cannot write into one. */
function readLines(stream: Readable | null, take: (line: string) => void): void {
  if (stream)
    createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on("line", take);
}

/** Resolves when the process has ended; ends one that does not answer. */
async function watch<Theirs extends KeptOperations>(
  running: Running<Theirs>,
  { name, clock, log }: KeptProcessOptions,
  stopping: AbortSignal,
): Promise<void> {
  const over = abortWhen(running.ended, stopping);
  while (!over.aborted) {
    await pause(clock, PING_EVERY_MS, over);
    if (over.aborted) return;
    const answered = await running.channel.call("ping", null as never, PING_LIMIT_MS).then(
      () => true,
      () => false,
    );
    if (answered || over.aborted) continue;
    log.error("process-hangs", { process: name, silentMs: PING_LIMIT_MS });
    await kill(running);
    return;
  }
}

async function end<Theirs extends KeptOperations>(
  running: Running<Theirs>,
  clock: Clock,
  deadlineMs: number,
): Promise<void> {
  const limitMs = deadlineMs + LAST_WORDS_MS;
  const cancel = clock.after(limitMs, () => void running.child.kill("SIGKILL"));
  await running.channel.call("stop", deadlineMs as never, limitMs).catch(() => {});
  // One that never got ready does not know how to stop.
  if (running.child.connected) running.child.disconnect();
  await running.ended;
  cancel();
}

async function kill<Theirs extends KeptOperations>({
  child,
  ended,
}: Running<Theirs>): Promise<void> {
  child.kill("SIGKILL");
  await ended;
}

/** Aborts when the promise settles, or with the parent. */
function abortWhen(work: Promise<unknown>, parent?: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const abort = () => controller.abort();
  void work.then(abort, abort);
  if (parent?.aborted) abort();
  else parent?.addEventListener("abort", abort, { once: true });
  return controller.signal;
}
