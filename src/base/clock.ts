/** Time as a parameter, so that tests travel and limits never follow a clock that jumps. */
export interface Clock {
  /** Milliseconds since the epoch. For records and messages, never for limits. */
  now(): number;
  /** Milliseconds that only grow. For limits and durations. */
  monotonic(): number;
  /** Calls `fn` once after `ms` milliseconds. Returns the function that cancels it. */
  after(ms: number, fn: () => void): () => void;
}

export function createSystemClock(): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    after(ms, fn) {
      const timer = setTimeout(fn, ms);
      return () => clearTimeout(timer);
    },
  };
}

/**
 * A signal that aborts after a limit, at once when there is no time at all, or with its parent.
 * `clear` must be called in `finally`.
 */
export interface Deadline {
  readonly signal: AbortSignal;
  /** True when the limit, not the parent, ended it. */
  expired(): boolean;
  clear(): void;
}

/**
 * Own controller and timer: AbortSignal.any with AbortSignal.timeout keeps composed signals
 * alive until their timers fire.
 */
export function startDeadline(clock: Clock, ms: number, parent?: AbortSignal): Deadline {
  const controller = new AbortController();
  let expired = false;
  const expire = () => {
    expired = true;
    controller.abort(new Error(`not finished within ${Math.ceil(ms)} ms`));
  };
  const cancel = clock.after(ms, expire);
  const follow = () => controller.abort(parent?.reason);
  if (parent?.aborted) follow();
  else if (ms <= 0) expire();
  else parent?.addEventListener("abort", follow, { once: true });
  return {
    signal: controller.signal,
    expired: () => expired,
    clear() {
      cancel();
      parent?.removeEventListener("abort", follow);
    },
  };
}

/** Resolves after `ms`, or at once when the signal aborts. Never rejects. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = () => {
      cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = clock.after(ms, finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
}

/**
 * Settles as `work` does, or rejects with the signal's reason once it aborts. The work itself is
 * not stopped; whoever owns it must heed the same signal.
 */
export function abandonOn<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    const forget = () => signal.removeEventListener("abort", abort);
    work.then(
      (result) => {
        forget();
        resolve(result);
      },
      (error) => {
        forget();
        reject(error);
      },
    );
  });
}
