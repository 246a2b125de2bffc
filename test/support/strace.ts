import { spawnSync } from "node:child_process";
import { findProgram } from "./programs.ts";

/** A system call, by the lines of the trace in which it begins and ends. */
export interface TracedCall {
  readonly name: string;
  /** With its arguments and its result. */
  readonly line: string;
  readonly begun: number;
  readonly ended: number;
}

/** For `test(title, { skip: noStrace() }, ...)`: some containers forbid to trace at all. */
export function noStrace(): string | false {
  const { path, skip } = findProgram("strace");
  if (skip) return skip;
  if (spawnSync(path, ["-f", "-e", "trace=none", "true"]).status === 0) return false;
  const reason = "SKIPPED: strace may not trace here: the order of system calls was not checked";
  process.stderr.write(`\n*** ${reason} ***\n`);
  return reason;
}

/**
 * What `strace -f -o FILE` wrote. A call that another thread interrupts is split over two lines and
 * put together again here; calls stand in the order of their end.
 */
export function parseTrace(text: string): readonly TracedCall[] {
  const unfinished = new Map<string, { readonly said: string; readonly begun: number }>();
  const calls: TracedCall[] = [];
  for (const [at, raw] of text.split("\n").entries()) {
    const [, thread = "", said = ""] = /^(\d+)\s+(.*)$/.exec(raw) ?? [];
    if (said.endsWith("<unfinished ...>")) {
      unfinished.set(thread, { said: said.replace("<unfinished ...>", ""), begun: at });
      continue;
    }
    const rest = /^<\.\.\. \w+ resumed>\s*(.*)$/.exec(said)?.[1];
    const first = rest === undefined ? undefined : unfinished.get(thread);
    const line = `${first?.said ?? ""}${rest ?? said}`;
    const name = /^(\w+)\(/.exec(line)?.[1];
    if (name) calls.push({ name, line, begun: first?.begun ?? at, ended: at });
  }
  return calls;
}
