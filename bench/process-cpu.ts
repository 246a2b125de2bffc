import { readdir, readFile } from "node:fs/promises";

/** Of /proc/PID/stat, counted behind the name in brackets, which may hold blanks. */
const PARENT = 1;
/** utime, stime, and both of children that were waited for. */
const TIMES = [11, 12, 13, 14] as const;
/** USER_HZ, which is 100 on every Linux of today. */
const TICK_MS = 10;

/** Milliseconds of CPU that a process, its threads and all below it have used so far. */
export async function cpuMsOf(root: number): Promise<number> {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const rows = new Map<number, readonly number[]>();
  for (const name of names) {
    const text = await readFile(`/proc/${name}/stat`, "latin1").catch(() => null);
    if (text)
      rows.set(
        Number(name),
        text
          .slice(text.lastIndexOf(")") + 2)
          .split(" ")
          .map(Number),
      );
  }
  let ticks = 0;
  for (const [pid, row] of rows)
    if (isBelow(rows, pid, root)) for (const at of TIMES) ticks += row[at] ?? 0;
  return ticks * TICK_MS;
}

function isBelow(rows: ReadonlyMap<number, readonly number[]>, pid: number, root: number): boolean {
  for (let at = pid; at > 1; at = rows.get(at)?.[PARENT] ?? 0) if (at === root) return true;
  return false;
}
