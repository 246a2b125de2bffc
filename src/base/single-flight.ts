/**
 * One run at a time. Who asks during a run gets the run after it, shared with all who ask
 * meanwhile: the files may have changed since the running one read them.
 */
export function createSingleFlight<T>(run: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null;
  let next: Promise<T> | null = null;
  const start = () => {
    const work = run().finally(() => {
      if (running === work) running = null;
    });
    running = work;
    return work;
  };
  return () => {
    if (next) return next;
    if (!running) return start();
    next = running.then(ignore, ignore).then(() => {
      next = null;
      return start();
    });
    return next;
  };
}

function ignore(): void {}
