import { prefixKey } from "../net/ip.ts";
import type { LogonFailures } from "../smtp/authenticator.ts";
import type { RateCounters, RateLimit } from "./rate-counters.ts";

/**
 * Failed log-ons of one address (IPv6: /64), over sessions: so many at once, then one every minute.
 * A telephone with an old password behind the address of an office stays below; guessing does not get
 * anywhere at that pace.
 */
const LIMIT: RateLimit = { capacity: 20, perHour: 60 };

export function createLogonFailures(counters: RateCounters): LogonFailures {
  const keyOf = (ip: string) => `logon:${prefixKey(ip)}`;
  return {
    begin: async (ip) => (await counters.take(keyOf(ip), 1, LIMIT)).taken,
    takeBack(ip) {
      // At worst a right password counts as a failure.
      counters.take(keyOf(ip), -1, LIMIT).catch(() => {});
    },
  };
}
