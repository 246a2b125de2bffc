import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { withChildren } from "./process-weight.ts";

const PRELOAD = join(import.meta.dirname, "collect-on-signal.ts");
const SIGNAL = "SIGUSR2";

/** The environment of a program that `collectGarbage` can ask, with all its Node.js processes. */
export const COLLECTABLE: Readonly<Record<string, string>> = {
  NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --import=${PRELOAD}`.trim(),
};

/** Has V8 collect in the process and in those below it that listen; soon, not at once. */
export function collectGarbage(pid: number): void {
  for (const one of withChildren(pid)) if (isAsked(one)) process.kill(one, SIGNAL);
}

/** Others, a `cat` say, would die of it. */
function isAsked(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const caught = BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
    return ((caught >> BigInt(constants.signals[SIGNAL] - 1)) & 1n) === 1n;
  } catch {
    return false;
  }
}
