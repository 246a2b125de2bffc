import type { TcpTarget } from "../../net/tcp.ts";

const UNIX = "unix:";
// Not 0: a port that nobody chose is a mistake in the settings.
const PORT = /^[1-9]\d{0,4}$/;
const MAX_PORT = 65535;

/** Parses `127.0.0.1:3310`, `[::1]:3310`, `clamd.internal:3310`, `unix:/path`; null: none of them. */
export function parseClamdAddress(text: string): TcpTarget | null {
  if (text.startsWith(UNIX)) {
    const path = text.slice(UNIX.length);
    return path.startsWith("/") ? { path } : null;
  }
  const colon = text.lastIndexOf(":");
  const host = unbracket(text.slice(0, Math.max(0, colon)));
  const port = PORT.test(text.slice(colon + 1)) ? Number(text.slice(colon + 1)) : 0;
  return host === null || port === 0 || port > MAX_PORT ? null : { host, port };
}

/** Without brackets a colon would make `::1:3310` mean two things. */
function unbracket(host: string): string | null {
  const bracketed = /^\[([0-9a-f:.]+)\]$/i.exec(host)?.[1];
  if (bracketed !== undefined) return bracketed;
  return /^[a-z0-9._-]+$/i.test(host) ? host : null;
}
