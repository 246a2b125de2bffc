import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { errorText } from "../base/errors.ts";
import { parseAuthorities } from "../smtp/listener-tls.ts";
import type { RedisAccess } from "./redis-client.ts";
import type { RedisAddress } from "./redis-url.ts";

/** As the settings say it. */
export interface RedisSettings extends RedisAddress {
  readonly passwordFile: string | null;
  readonly sentinelPasswordFile: string | null;
}

/**
 * Reads what the settings only name; `authorities` is the file of those trusted beside the well-known
 * ones. At a start, before anybody waits. Throws with the name of a file that cannot be used.
 */
export function readRedisAccess(redis: RedisSettings, authorities: string | null): RedisAccess {
  const { place, username, password, passwordFile, sentinelPasswordFile } = redis;
  const own = authorities === null ? null : parseAuthorities(authorities, readText(authorities));
  return {
    place,
    username,
    password: passwordFile === null ? password : readPassword(passwordFile),
    sentinelPassword: sentinelPasswordFile === null ? null : readPassword(sentinelPasswordFile),
    tls: redis.tls ? { ...(own !== null && { ca: [...rootCertificates, own] }) } : null,
  };
}

/** The first line. */
function readPassword(file: string): string {
  const [password = ""] = readText(file).split(/\r?\n/, 1);
  if (password === "") throw new Error(`${file}: expected a password on its first line`);
  return password;
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new Error(`${file}: cannot be read: ${errorText(cause)}`, { cause });
  }
}
