import { prefixKey } from "../net/ip.ts";
import type { LogonFailures } from "../smtp/authenticator.ts";
import type { RateCounters, RateLimit } from "./rate-counters.ts";

/**
 * Failed log-ons of one address (IPv6: /64), over sessions: so many at once, then one every minute.
 * A telephone with an old password behind the address of an office stays below; guessing does not get
 * anywhere at that pace.
 */
const LIMIT: RateLimit = { capacity: 20, perHour: 60 };

/** Of one user from all addresses: nobody mistypes that often. */
const GUESSES: RateLimit = { capacity: 30, perHour: 30 };

export function createLogonFailures(counters: RateCounters): LogonFailures {
  const keyOf = (ip: string) => `logon:${prefixKey(ip)}`;
  return {
    async isBlocked(ip) {
      const { level } = await counters.take(keyOf(ip), 0, LIMIT);
      return level + 1 > LIMIT.capacity;
    },
    async add(ip, user) {
      await counters.take(keyOf(ip), 1, LIMIT);
      // Only of users that exist: made-up names are without number.
      if (user === null) return { isGuessed: false };
      const { begins } = await counters.take(`guess:${user.toLowerCase()}`, 1, GUESSES);
      return { isGuessed: begins };
    },
  };
}
