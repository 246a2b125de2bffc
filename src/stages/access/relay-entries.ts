import { z } from "zod";
import type { Cidr } from "../../net/ip.ts";
import type { TrustedRelay } from "../../policy/snapshot.ts";

/**
 * What a wider network holds is not one operator's own servers, and everybody in it can make up where
 * his mail comes from.
 */
const MIN_BITS = { 4: 12, 6: 32 } as const;
/** Labels of a name or a suffix. */
const NAME =
  /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;

const name = z
  .string()
  .toLowerCase()
  .refine((text) => NAME.test(text), {
    error: ({ input }) =>
      `expected a host name or *.suffix, as it stands behind \`by\` in Received, got ${JSON.stringify(input)}`,
  });

/** Of an entry in `trustedRelays` of `access.yaml`, beside its client, reason and expiry. */
export const relayTerms = {
  names: z.array(name).min(1).max(100),
  /** SRS: MAIL FROM is the forwarder's own, so SPF is about him. */
  rewritesSender: z.boolean().default(false),
  /** What becomes of mail whose Received fields do not tell where the relay has it from. */
  unreadable: z.enum(["quarantine", "stamp"]).default("quarantine"),
};

export function relayNetworkFault(network: Cidr): string | null {
  if (network.bits >= MIN_BITS[network.family]) return null;
  return `expected a network of at most /${MIN_BITS[network.family]}: everybody in it can say where his mail comes from`;
}

/** Whether a server of the relay calls itself so. */
export function isRelayName({ names }: Pick<TrustedRelay, "names">, by: string): boolean {
  return names.some((own) => (own.startsWith("*.") ? by.endsWith(own.slice(1)) : by === own));
}
