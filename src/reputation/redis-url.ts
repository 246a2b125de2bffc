import { isIPv6 } from "node:net";

/** Where Redis is, in one of its three forms, and how to log on. */
export type RedisPlace =
  | { readonly kind: "single"; readonly server: RedisServer; readonly db: number }
  | {
      readonly kind: "sentinel";
      readonly servers: readonly RedisServer[];
      /** Of the master, as the sentinels know it. */
      readonly name: string;
      readonly db: number;
    }
  | { readonly kind: "cluster"; readonly servers: readonly RedisServer[] };

export interface RedisServer {
  readonly host: string;
  readonly port: number;
}

export interface RedisAddress {
  readonly place: RedisPlace;
  readonly tls: boolean;
  readonly username: string | null;
  readonly password: string | null;
}

/** For an operator whose address cannot be read. Such a message never repeats it: it may hold a password. */
export const REDIS_URL_FORMS =
  "redis://HOST:PORT/DB, redis+sentinel://HOST:PORT,HOST:PORT/NAME/DB or redis+cluster://HOST:PORT,HOST:PORT, with rediss for TLS";

const PARTS = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/@?#]+)(?:\/([^?#]*))?$/;
const PORTS = { single: 6379, sentinel: 26_379, cluster: 6379 } as const;
/** Beyond this no installation of Redis lists its nodes. */
const MAX_SERVERS = 32;
/** `databases` of redis.conf is 16 unless raised. */
const MAX_DB = 9999;

/** Null for what is none of the forms. */
export function parseRedisUrl(text: string): RedisAddress | null {
  const match = PARTS.exec(text);
  if (!match) return null;
  const [, scheme, form = "single", user, hosts = "", path = ""] = match;
  const kind = form as RedisPlace["kind"];
  const servers = parseServers(hosts, PORTS[kind]);
  const place = servers && toPlace(kind, servers, path);
  const identity = parseUser(user);
  return place && identity && { place, tls: scheme === "rediss", ...identity };
}

/** Without what logs on. */
export function formatRedisPlace({ place, tls }: Pick<RedisAddress, "place" | "tls">): string {
  const scheme = tls ? "rediss" : "redis";
  if (place.kind === "single") return `${scheme}://${formatServer(place.server)}/${place.db}`;
  const servers = place.servers.map(formatServer).join(",");
  const name = place.kind === "sentinel" ? `/${place.name}/${place.db}` : "";
  return `${scheme}+${place.kind}://${servers}${name}`;
}

function toPlace(
  kind: RedisPlace["kind"],
  servers: readonly RedisServer[],
  path: string,
): RedisPlace | null {
  if (kind === "cluster") return path === "" ? { kind, servers } : null;
  const parts = path === "" ? [] : path.split("/");
  const name = kind === "sentinel" ? parts.shift() : "";
  const db = parseDb(parts.shift());
  if (db === null || name === undefined || parts.length > 0) return null;
  if (kind === "sentinel") return /^[\w.-]{1,64}$/.test(name) ? { kind, servers, name, db } : null;
  const [server, ...others] = servers;
  return server && others.length === 0 ? { kind, server, db } : null;
}

function parseDb(text: string | undefined): number | null {
  if (text === undefined || text === "") return 0;
  return /^\d{1,4}$/.test(text) && Number(text) <= MAX_DB ? Number(text) : null;
}

function parseServers(text: string, defaultPort: number): readonly RedisServer[] | null {
  const servers = text.split(",").map((one) => parseServer(one, defaultPort));
  const found = servers.filter((one) => one !== null);
  return found.length === servers.length && found.length <= MAX_SERVERS ? found : null;
}

function parseServer(text: string, defaultPort: number): RedisServer | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]{1,253}))(?::(\d{1,5}))?$/.exec(text);
  if (!match) return null;
  const [, literal, name, digits] = match;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (port < 1 || port > 65_535) return null;
  if (literal !== undefined) return isIPv6(literal) ? { host: literal, port } : null;
  return { host: name ?? "", port };
}

/** `user:password`, percent-encoded; Redis takes a password alone as `:password`. */
function parseUser(text: string | undefined): Pick<RedisAddress, "username" | "password"> | null {
  if (text === undefined) return { username: null, password: null };
  const colon = text.indexOf(":");
  try {
    const [user, password] = colon < 0 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
    return {
      username: decodeURIComponent(user) || null,
      password: decodeURIComponent(password) || null,
    };
  } catch {
    return null;
  }
}

function formatServer({ host, port }: RedisServer): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}
