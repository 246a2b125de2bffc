import type { EnvelopeRecipient } from "../../mail/envelope.ts";
import type { Connector, Routing } from "../../policy/snapshot.ts";

/** Where mail for a domain goes: what shares connections, an attempt, and a back-off. */
export interface Destination {
  /**
   * The connector's name, or `name/domain` when it looks up mail servers: then each domain is a
   * destination of its own. Joined by `or` with those that take its place. In logs, and as a key.
   */
  readonly key: string;
  readonly connector: Connector;
  /** In its stead while none of its servers can be reached, in this order. */
  readonly backups: readonly Connector[];
  /** Of the recipients, canonical; of a smarthost connector, that of one of them. */
  readonly domain: string;
  /** Of a leg that ignores policies. */
  readonly ignoresTlsPolicies?: boolean;
}

/** Where it cannot go because of its TLS, other mail rests; but not what goes all the same. */
export function despiteTlsPolicies(destination: Destination): Destination {
  return { ...destination, key: `${destination.key} despite TLS`, ignoresTlsPolicies: true };
}

/** Null: no connector takes the domain. */
export function destinationOf(routing: Routing, domain: string): Destination | null {
  const [connector, ...backups] = routing.ways(domain);
  if (!connector) return null;
  const names = [connector, ...backups].map(({ name, to }) =>
    to.kind === "mx" ? `${name}/${domain}` : name,
  );
  return { key: names.join(" or "), connector, backups, domain };
}

/**
 * Recipients parted by destination, in order of appearance; those without one make a group of
 * their own.
 */
export function groupByRoute(
  recipients: readonly EnvelopeRecipient[],
  routing: Routing,
): readonly (readonly EnvelopeRecipient[])[] {
  const keyOf = ({ address }: EnvelopeRecipient) =>
    destinationOf(routing, address.domain)?.key ?? null;
  return [...Map.groupBy(recipients, keyOf).values()];
}
