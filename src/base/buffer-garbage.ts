import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** About a millisecond of collecting for some fifty of reading and scanning. */
const COLLECT_EVERY_BYTES = 2 * 1024 * 1024;

/**
 * Whoever streams large messages tells how many octets went by, and every few MiB the dead Buffers
 * among them are given back. V8 does that by itself only once 32 MiB of young ones have gathered, or
 * 64 MiB of those that lived a little longer, so ten large messages at once would hold 100 MiB that
 * nobody uses. A smaller young generation (--max-semi-space-size) would cost small mail a third of
 * its throughput.
 */
export function createBufferGarbage(): (octets: number) => void {
  const collect = findCollector();
  let waiting = 0;
  return (octets) => {
    waiting += octets;
    if (waiting < COLLECT_EVERY_BYTES) return;
    waiting = 0;
    collect?.({ type: "minor" });
  };
}

type Collector = (options: { readonly type: "minor" }) => void;

/** Node has no other way to it: the flag puts `gc` into contexts that are made while it is set. */
function findCollector(): Collector | null {
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("globalThis.gc");
  setFlagsFromString("--no-expose-gc");
  return typeof gc === "function" ? (options) => void gc(options) : null;
}
