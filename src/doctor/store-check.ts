import { statSync } from "node:fs";
import { join } from "node:path";
import { errorText } from "../base/errors.ts";
import { damageIn } from "../base/sqlite-damage.ts";
import type { DoctorCheck, Finding } from "./doctor.ts";

export interface StoreCheckInput {
  readonly dataDir: string;
  /** Reputation lives in Redis; a file of it is an old one. */
  readonly usesRedis: boolean;
}

interface Store {
  /** Also of its folder, and of its file. */
  readonly name: string;
  readonly without: string;
}

const TRACKING = {
  name: "tracking",
  without: "nothing new is written down; explain finds nothing",
};
const QUARANTINE = {
  name: "quarantine",
  without: "no message can be held, and what should be gets 451",
};
const REPUTATION = {
  name: "reputation",
  without: "reputation is neutral, greylisting and the exceptions of commands are off",
};

/** Whether the databases can be read from the first octet to the last. They are made at first use. */
export function storeCheck({ dataDir, usesRedis }: StoreCheckInput): DoctorCheck {
  const stores = usesRedis ? [TRACKING, QUARANTINE] : [TRACKING, QUARANTINE, REPUTATION];
  return { name: "stores", run: async () => stores.flatMap((store) => lookAt(store, dataDir)) };
}

function lookAt({ name, without }: Store, dataDir: string): readonly Finding[] {
  const subject = join(dataDir, name, `${name}.db`);
  const found = statSync(subject, { throwIfNoEntry: false });
  if (!found) return [];
  const damage = damageOf(subject);
  if (damage !== null) return [{ subject, status: "fail", detail: `${damage}: ${without}` }];
  const megabytes = Math.ceil(found.size / 1_000_000);
  return [{ subject, status: "ok", detail: `${megabytes} MB, all of it can be read` }];
}

function damageOf(file: string): string | null {
  try {
    return damageIn(file);
  } catch (error) {
    return errorText(error);
  }
}
