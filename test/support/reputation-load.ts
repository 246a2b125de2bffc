import { setTimeout as sleep } from "node:timers/promises";
import type { RateCounters } from "../../src/reputation/rate-counters.ts";
import { known, type Reputation } from "../../src/reputation/reputation.ts";
import { toClientSubject, toNetworkSubject } from "../../src/reputation/subjects.ts";
import type { CallLog } from "./call-log.ts";

const TIMES = { delayMs: 1000, windowMs: 60_000, passMs: 60_000 };
const PACE_MS = 10;

/** What sessions ask, several of them at a time, until it is stopped. */
export interface ReputationLoad {
  /** How long each session waited for all its answers. */
  readonly sessions: readonly { readonly began: number; readonly ms: number }[];
  stop(): Promise<void>;
}

export function startReputationLoad(
  reputation: Reputation,
  counters: RateCounters,
  calls: CallLog,
  concurrency = 4,
): ReputationLoad {
  const sessions: { readonly began: number; readonly ms: number }[] = [];
  let running = true;
  const session = async (n: number) => {
    const began = performance.now();
    const ip = `192.0.${n % 256}.${(n * 7) % 256}`;
    const subjects = [toClientSubject(ip), toNetworkSubject(ip)].filter((one) => one !== null);
    await calls.of("look", () => reputation.look(subjects));
    await calls.of("blocks", () => reputation.blocks.get([`client:${ip}`]));
    await calls.of("greylist", () => reputation.greylist.touch(`key ${n % 50}`, TIMES));
    const limit = { capacity: 1e6, perHour: 1e6 };
    await calls.of("rate", async () => known(await counters.take(`rate ${n % 50}`, 1, limit)));
    reputation.learn(subjects.map((subject) => ({ subject, add: { ham: 1 } })));
    sessions.push({ began, ms: performance.now() - began });
  };
  const work = async (start: number) => {
    for (let n = start; running; n += concurrency) {
      await session(n);
      await sleep(PACE_MS);
    }
  };
  const workers = Array.from({ length: concurrency }, (_, i) => work(i));
  return {
    sessions,
    async stop() {
      running = false;
      await Promise.all(workers);
    },
  };
}
