import { createDataLock } from "../../src/control/data-lock.ts";

/**
 * Takes the lock of a folder, says `taken` or `busy`, and stays until it is killed or told to end.
 * Nobody can reach the lock by then, and with --expose-gc the garbage is collected before a word.
 */
const isTaken = await createDataLock(process.argv[2] ?? "").take("gateway");
setImmediate(() => {
  globalThis.gc?.();
  process.stdout.write(isTaken ? "taken\n" : "busy\n");
  process.stdin.resume();
});
