import type { Json } from "../base/json.ts";
import { type GreylistEntry, type GreylistState, greylisted } from "./greylist.ts";
import { shelfKeys, toKey } from "./redis-keys.ts";
import type { RedisLink } from "./redis-link.ts";
import type { RedisScripts, ScriptCall } from "./redis-scripts.ts";
import type { GreylistBackend, ShelfBackend, ShelfHit, ShelfName } from "./reputation-backend.ts";
import { MAX_SHELF_ENTRIES, type ShelfEntry } from "./shelf.ts";

interface Deps {
  readonly link: RedisLink;
  readonly scripts: RedisScripts;
}

/** Entries of one step of a list: Redis serves nobody else meanwhile. */
const LIST_BITE = 500;

export function createRedisGreylist({ link, scripts }: Deps): GreylistBackend {
  const touch = async (
    key: string,
    { delayMs, windowMs, passMs }: Parameters<GreylistBackend["touch"]>[1],
    now: number,
    how: "touch" | "allow",
  ): Promise<GreylistState> => {
    const times = [now, delayMs, windowMs, passMs];
    const answer = await link.ask(() =>
      scripts.run("greylist-touch", toKey("grey", key), ...times, how),
    );
    const [kind, firstSeen, waitMs] = answer as readonly [GreylistState["kind"], number, number];
    return { kind, firstSeen, waitMs };
  };
  return {
    async peek(key, times, now) {
      const stored = await link.ask(() => link.client.get(toKey("grey", key)));
      return greylisted(parseGreylist(stored), times, now).state;
    },
    touch: (key, times, now) => touch(key, times, now, "touch"),
    async allow(key, times, now) {
      await touch(key, times, now, "allow");
    },
    async forget(key, now) {
      const stored = await link.ask(() => link.client.getdel(toKey("grey", key)));
      return (parseGreylist(stored)?.until ?? 0) > now;
    },
  };
}

/** `first passed until`, as greylist-touch.lua writes it. */
function parseGreylist(stored: string | null): GreylistEntry | null {
  const match = /^(\d+) ([01]) (\d+)$/.exec(stored ?? "");
  if (!match) return null;
  return { firstSeen: Number(match[1]), passed: match[2] === "1", until: Number(match[3]) };
}

export function createRedisShelf({ link, scripts }: Deps): ShelfBackend {
  const { client } = link;
  return {
    async put(shelf, { key, value, until }, now) {
      const entry = JSON.stringify({ value, since: now, until });
      await link.ask(() =>
        scripts.run("shelf-put", ...shelfKeys(shelf), key, entry, until, now, MAX_SHELF_ENTRIES),
      );
    },
    get: (shelf, keys, now) => link.ask(() => readEntries(link, shelf, keys, now)),
    async list(shelf, now) {
      const [entries] = shelfKeys(shelf);
      const found = new Map<string, ShelfEntry>();
      let cursor = "0";
      do {
        const [next, flat] = await link.ask(() =>
          client.hscan(entries, cursor, "COUNT", LIST_BITE),
        );
        cursor = next;
        const keys = flat.filter((_, i) => i % 2 === 0);
        const bite = await link.ask(() => readEntries(link, shelf, keys, now));
        for (const entry of bite) found.set(entry.key, entry);
      } while (cursor !== "0");
      return [...found.values()].sort((a, b) => b.since - a.since);
    },
    remove: async (shelf, key, now) =>
      (await link.ask(() => scripts.run("shelf-remove", ...shelfKeys(shelf), key, now))) === 1,
  };
}

export function toHitCall({ shelf, key, count }: ShelfHit, now: number): ScriptCall {
  return { name: "shelf-hit", args: [...shelfKeys(shelf), key, count, now] };
}

async function readEntries(
  { client }: RedisLink,
  shelf: ShelfName,
  keys: readonly string[],
  now: number,
): Promise<readonly ShelfEntry[]> {
  if (keys.length === 0) return [];
  const [entries, , hits] = shelfKeys(shelf);
  const [stored, counts] = await Promise.all([
    client.hmget(entries, ...keys),
    client.hmget(hits, ...keys),
  ]);
  return keys.flatMap((key, i) => {
    const entry = parseEntry(stored[i] ?? null);
    return entry && entry.until > now ? [{ key, ...entry, ...parseHits(counts[i] ?? null) }] : [];
  });
}

/** As `put` writes it; whoever else writes into our keys gets no say. */
function parseEntry(stored: string | null): Pick<ShelfEntry, "value" | "since" | "until"> | null {
  try {
    const entry = JSON.parse(stored ?? "null") as Readonly<Record<string, Json>> | null;
    const { value = null, since, until } = entry ?? {};
    if (typeof since !== "number" || typeof until !== "number") return null;
    return { value, since, until };
  } catch {
    return null;
  }
}

function parseHits(stored: string | null): Pick<ShelfEntry, "hits" | "lastHit"> {
  const match = /^(\d+) (\d+)$/.exec(stored ?? "");
  return match ? { hits: Number(match[1]), lastHit: Number(match[2]) } : { hits: 0, lastHit: null };
}
