import { getServers } from "node:dns";
import { isIP } from "node:net";

/** Where a DNS server listens. The host is an address. */
export interface DnsServerAddress {
  readonly host: string;
  readonly port: number;
}

const DNS_PORT = 53;

/** `127.0.0.1`, `127.0.0.1:53`, `::1`, `[::1]:53`; null for anything else. */
export function parseDnsServer(text: string): DnsServerAddress | null {
  if (isIP(text) !== 0) return { host: text, port: DNS_PORT };
  const match = /^(?:\[([0-9A-Fa-f:.%\w]+)\]|([0-9.]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? "";
  const port = match?.[3] === undefined ? DNS_PORT : Number(match[3]);
  return isIP(host) !== 0 && port > 0 && port < 65536 ? { host, port } : null;
}

/** The servers of /etc/resolv.conf; the local host when it names none, as resolv.conf(5) says. */
export function systemDnsServers(): readonly DnsServerAddress[] {
  const servers = getServers().flatMap((text) => parseDnsServer(text) ?? []);
  return servers.length > 0 ? servers : [{ host: "127.0.0.1", port: DNS_PORT }];
}
