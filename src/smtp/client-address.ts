import ipaddr from "ipaddr.js";

export interface ClientAddress {
  /** Canonical text, IPv4-mapped IPv6 as IPv4. */
  readonly ip: string;
  /** What limits count by: the IPv4 address, or the /64 that one IPv6 customer is given. */
  readonly network: string;
}

/** Null when it is no address: the socket closed before we looked. */
export function parseClientAddress(text: string | undefined): ClientAddress | null {
  if (text === undefined || !ipaddr.isValid(text)) return null;
  const address = ipaddr.process(text);
  const ip = address.toString();
  if (address instanceof ipaddr.IPv4) return { ip, network: ip };
  const prefix = address.parts.slice(0, 4).map((part) => part.toString(16));
  return { ip, network: `${prefix.join(":")}::/64` };
}
