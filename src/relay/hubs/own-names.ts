import { isIP } from "node:net";
import { canonicalIp } from "../../net/ip.ts";
import { machineAddresses } from "../../net/machine-addresses.ts";

/** Who we are to those who look us up: mail for us by DNS would only come back (RFC 5321 5.1). */
export interface OurSelf {
  isOurName(host: string): boolean;
  isOurAddress(address: string): boolean;
}

export interface SelfOptions {
  /** Host names, in any case. */
  readonly names: readonly string[];
  /** Where we listen: addresses; 0.0.0.0 and :: stand for all of this machine. */
  readonly listening: readonly string[];
  /** Default: those that the machine has at that moment. */
  readonly interfaces?: () => readonly string[];
}

/**
 * Whatever the port: behind a load balancer or a redirected port it is another one outside. An
 * address that another machine translates to ours is known by its name alone.
 */
export function createOurSelf(options: SelfOptions): OurSelf {
  const { interfaces = machineAddresses } = options;
  const names = new Set(options.names.map(canonical));
  const fixed = new Set(options.listening.flatMap((text) => canonicalIp(text) ?? []));
  const hasAll = (family: 4 | 6) => fixed.has("::") || (family === 4 && fixed.has("0.0.0.0"));
  return {
    isOurName: (host) => names.has(canonical(host)),
    isOurAddress(address) {
      const ip = canonicalIp(address);
      if (ip === null) return false;
      if (fixed.has(ip) || ip === "0.0.0.0" || ip === "::") return true;
      if (!hasAll(isIP(ip) === 6 ? 6 : 4)) return false;
      // All of 127.0.0.0/8 leads to whoever listens on all addresses.
      return ip.startsWith("127.") || interfaces().includes(ip);
    },
  };
}

function canonical(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
