/** How many queries may be under way, and how many more may wait for their turn. */
export interface QuerySlots {
  /**
   * Resolves with the function that gives the slot back, or with null when the queue is full or
   * the signal aborts first. Whoever waits longest is served first.
   */
  take(signal: AbortSignal): Promise<(() => void) | null>;
}

export function createQuerySlots(maxActive: number, maxWaiting: number): QuerySlots {
  let active = 0;
  const waiting = new Set<() => void>();
  const release = () => {
    active -= 1;
    const [next] = waiting;
    next?.();
  };
  const occupy = () => {
    active += 1;
    let held = true;
    return () => {
      if (held) release();
      held = false;
    };
  };
  return {
    async take(signal) {
      if (signal.aborted) return null;
      if (active < maxActive) return occupy();
      if (waiting.size >= maxWaiting) return null;
      return new Promise((resolve) => {
        const stop = () => {
          waiting.delete(serve);
          signal.removeEventListener("abort", giveUp);
        };
        const serve = () => {
          stop();
          resolve(occupy());
        };
        const giveUp = () => {
          stop();
          resolve(null);
        };
        waiting.add(serve);
        signal.addEventListener("abort", giveUp, { once: true });
      });
    },
  };
}
