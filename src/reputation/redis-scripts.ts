import { readFileSync } from "node:fs";
import { Cluster } from "ioredis";
import type { RedisClient } from "./redis-client.ts";

/** Each is `NAME.lua` beside this file, with as many keys. */
const KEYS = {
  claim: 1,
  "greylist-touch": 1,
  learn: 1,
  "shelf-hit": 3,
  "shelf-put": 3,
  "shelf-remove": 3,
  take: 1,
} as const;

export type RedisScript = keyof typeof KEYS;
export type ScriptArgument = string | number | Buffer;

export interface ScriptCall {
  readonly name: RedisScript;
  /** Keys first. */
  readonly args: readonly ScriptArgument[];
}

/** Redis knows a script by its hash after the first time, and one that has lost it gets it again. */
export interface RedisScripts {
  run(name: RedisScript, ...args: readonly ScriptArgument[]): Promise<unknown>;
  /** In one round trip where one server has all keys. Rejects when one of them failed. */
  runAll(calls: readonly ScriptCall[]): Promise<void>;
}

/** What ioredis makes of a command that was defined. */
type Runners<T> = Readonly<Record<string, ((...args: readonly ScriptArgument[]) => T) | undefined>>;

export function defineScripts(client: RedisClient): RedisScripts {
  for (const [name, numberOfKeys] of Object.entries(KEYS)) {
    const lua = readFileSync(new URL(`./${name}.lua`, import.meta.url), "utf8");
    client.defineCommand(commandOf(name), { lua, numberOfKeys });
  }
  const run: RedisScripts["run"] = (name, ...args) => runOn<Promise<unknown>>(client, name, args);
  return {
    run,
    async runAll(calls) {
      if (client instanceof Cluster) {
        await Promise.all(calls.map(({ name, args }) => run(name, ...args)));
        return;
      }
      const pipeline = client.pipeline();
      for (const { name, args } of calls) runOn<unknown>(pipeline, name, args);
      for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
    },
  };
}

function runOn<T>(target: object, name: RedisScript, args: readonly ScriptArgument[]): T {
  const run = (target as Runners<T>)[commandOf(name)];
  if (!run) throw new Error(`no script ${name}`);
  return run.apply(target, [...args]);
}

function commandOf(name: string): string {
  return `postern:${name}`;
}
