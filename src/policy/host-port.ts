import { isIP, isIPv4, isIPv6 } from "node:net";
import { parseDomainName } from "../mail/domain-name.ts";

export interface HostPort {
  /** A name in lower case, or an address without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * `host:port`, `10.0.0.1:25`, `[2001:db8::1]:25`; the port may be left out when there is a default.
 * Port 0 (any free port) only where it makes sense to listen. Null when the text is none of these.
 */
export function parseHostPort(
  text: string,
  options: { readonly defaultPort?: number; readonly allowZero?: boolean } = {},
): HostPort | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^[\]:\s]+))(?::(\d{1,5}))?$/.exec(text);
  if (!match) return null;
  const [, literal, name, digits] = match;
  const host = literal === undefined ? parseHost(name ?? "") : isIPv6(literal) ? literal : null;
  const port = digits === undefined ? options.defaultPort : Number(digits);
  if (host === null || port === undefined || port > 65535) return null;
  return port === 0 && !options.allowZero ? null : { host, port };
}

/** `[2001:db8::1]:25` again. */
export function formatHostPort({ host, port }: HostPort): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function parseHost(name: string): string | null {
  if (isIPv4(name)) return name;
  const host = parseDomainName(name, { utf8: true });
  // 10.1.0 or 256.1.1.1 is a mistyped address; some resolvers would take it for one.
  return host === null || /^[\d.]+$/.test(host) ? null : host;
}
