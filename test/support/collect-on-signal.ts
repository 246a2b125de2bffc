import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

// Loaded before a program whose memory is to be weighed (garbage.ts): collects when asked to.

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
process.on("SIGUSR2", () => collect());
