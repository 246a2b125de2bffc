/** Places at a scanner. Whoever finds none waits in line; the line is bounded. */
export interface ScanSlots {
  /** Resolves with the function that gives the slot back, or null: line full, or aborted. */
  take(signal: AbortSignal): Promise<(() => void) | null>;
  inUse(): number;
  waiting(): number;
}

export function createScanSlots(slots: number, maxWaiting: number): ScanSlots {
  let inUse = 0;
  const line = new Set<() => void>();

  const give = () => {
    inUse += 1;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      inUse -= 1;
      const [next] = line;
      next?.();
    };
  };

  return {
    inUse: () => inUse,
    waiting: () => line.size,
    async take(signal) {
      if (signal.aborted) return null;
      if (inUse < slots) return give();
      if (line.size >= maxWaiting) return null;
      return new Promise((resolve) => {
        const leave = (release: (() => void) | null) => {
          line.delete(call);
          signal.removeEventListener("abort", abort);
          resolve(release);
        };
        const call = () => leave(give());
        const abort = () => leave(null);
        line.add(call);
        signal.addEventListener("abort", abort, { once: true });
      });
    },
  };
}
