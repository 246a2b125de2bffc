import { createDataLock } from "../../src/control/data-lock.ts";

/** Takes the lock of a folder, says `taken` or `busy`, and stays until it is killed or told to end. */
const lock = createDataLock(process.argv[2] ?? "");
process.stdout.write((await lock.take("gateway")) ? "taken\n" : "busy\n");
process.stdin.resume();
