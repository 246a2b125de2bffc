import { describe } from "node:test";
import { createMemoryRateCounters } from "../../src/reputation/memory-rate-counters.ts";
import type { RateOwnerOperations } from "../../src/reputation/rate-counters.ts";
import { createRemoteRateCounters } from "../../src/reputation/remote-rate-counters.ts";
import { createProcessPair } from "../support/process-pair.ts";
import { rateCountersConformance } from "./rate-counters-conformance.ts";

describe("counters in memory", () => rateCountersConformance(createMemoryRateCounters));

describe("counters of another process", () =>
  rateCountersConformance((clock) => {
    const counters = createMemoryRateCounters(clock);
    const right: RateOwnerOperations = {
      takeRate: ({ key, amount, limit }) => counters.take(key, amount, limit),
    };
    return createRemoteRateCounters(createProcessPair(clock, { left: {}, right }).left);
  }));
