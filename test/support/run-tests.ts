import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";

/**
 * `node --test` sorts its files by name; this runs them in the order given, so that what fails fast
 * fails first and the heavy system tests come last. The report and its closing lines are Node's.
 *
 * Usage: run-tests.ts TIMEOUT_MS FILE...
 */
const [timeout, ...files] = process.argv.slice(2);
const timeoutMs = Number(timeout);
const stop = new AbortController();
const running = new Map<string, NodeJS.Timeout>();

const events = run({
  files,
  timeout: timeoutMs,
  /** More than two at once would blur what the cost tests measure. */
  concurrency: Math.min(2, availableParallelism()),
  signal: stop.signal,
});
/** Node limits a test but waits for ever for a file that left a server or a timer open. */
events.on("test:dequeue", ({ name, file, nesting }) => {
  if (!isFile(name, file, nesting)) return;
  running.set(
    name,
    setTimeout(() => stop.abort(new Error(`${name} did not end in ${timeoutMs} ms`)), timeoutMs),
  );
});
events.on("test:complete", ({ name, file, nesting }) => {
  if (isFile(name, file, nesting)) clearTimeout(running.get(name));
});
events.on("test:fail", () => {
  process.exitCode = 1;
});
events.compose(spec).pipe(process.stdout);

function isFile(name: string, file: string | undefined, nesting: number): boolean {
  return nesting === 0 && file !== undefined && resolve(name) === file;
}
