import { readFile } from "node:fs/promises";
import { z } from "zod";
import { replaceFile } from "../../base/replace-file.ts";
import type { KeptRate } from "./zone-rate.ts";

/** By zone. */
export type KeptRates = ReadonlyMap<string, KeptRate>;

/**
 * What zones list by habit, over restarts: a gateway that starts while a list is wild must not take
 * that for its habit. One process keeps it for all.
 */
export interface RateStore {
  read(): Promise<KeptRates>;
  write(rates: KeptRates): Promise<void>;
}

const keptFile = z.record(
  z.string(),
  z.object({
    listed: z.number().nonnegative(),
    looked: z.number().nonnegative(),
    demoted: z.string().nullable(),
  }),
);

/** `read` rejects when the file is there and is none of ours. */
export function createFileRateStore(path: string): RateStore {
  return {
    async read() {
      const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return "{}";
        throw error;
      });
      return new Map(Object.entries(keptFile.parse(JSON.parse(text))));
    },
    write: (rates) => replaceFile(path, 0o600, [`${JSON.stringify(Object.fromEntries(rates))}\n`]),
  };
}

/** For who must change nothing. */
export function createNoRateStore(): RateStore {
  return { read: async () => new Map(), write: async () => {} };
}
