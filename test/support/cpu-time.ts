/**
 * What this work cost the processor, in milliseconds (1 at least): a busy machine is no slow worker.
 * All threads of this process count.
 */
export async function costOf<T>(work: () => Promise<T> | T): Promise<{ value: T; ms: number }> {
  const before = process.cpuUsage();
  const value = await work();
  const { user, system } = process.cpuUsage(before);
  return { value, ms: Math.max(1, (user + system) / 1000) };
}
