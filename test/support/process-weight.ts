import { existsSync, readdirSync, readFileSync } from "node:fs";

/** What a process and its children hold, as the kernel counts it. */
export interface ProcessWeight {
  readonly mib: number;
  readonly descriptors: number;
}

/** For `test(title, { skip: noProc() }, ...)`. */
export function noProc(): string | false {
  if (existsSync("/proc/self/fd")) return false;
  const reason = "SKIPPED: no /proc here: memory and descriptors were not looked at";
  process.stderr.write(`\n*** ${reason} ***\n`);
  return reason;
}

export function weigh(pid: number): ProcessWeight {
  const weights = withChildren(pid).map(weighOne);
  return {
    mib: weights.reduce((sum, { mib }) => sum + mib, 0),
    descriptors: weights.reduce((sum, { descriptors }) => sum + descriptors, 0),
  };
}

/** The process and all below it. */
export function withChildren(pid: number): readonly number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
    return [pid, ...children.filter(Boolean).flatMap((child) => withChildren(Number(child)))];
  } catch {
    return [];
  }
}

/** Nothing for a process that has just ended. */
function weighOne(pid: number): ProcessWeight {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const mib = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
    return { mib, descriptors: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return { mib: 0, descriptors: 0 };
  }
}
