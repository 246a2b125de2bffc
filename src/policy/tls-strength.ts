import type { Connector } from "./snapshot.ts";

/** From the least that a server must do to the most; the last three keep out whoever is between. */
const STRENGTH: { readonly [M in Connector["tls"]["mode"]]: number } = {
  none: 0,
  opportunistic: 1,
  required: 2,
  verified: 3,
  pinned: 3,
  mutual: 3,
};

/**
 * May `connector` hand over with less TLS than `other` asks for? A domain that publishes DANE or
 * MTA-STS asks for as much as is ever asked for, unless both connectors heed it.
 */
export function asksLessTls(connector: Connector, other: Connector): boolean {
  const [own, others] = [policiesOf(connector), policiesOf(other)];
  const isHeededAlike = others.every((policy) => own.includes(policy));
  const wanted = isHeededAlike ? STRENGTH[other.tls.mode] : STRENGTH.verified;
  return STRENGTH[connector.tls.mode] < wanted;
}

/** For people. */
export function wordsForTls(connector: Connector): string {
  return [connector.tls.mode, ...policiesOf(connector)].join(" + ");
}

/** What a domain may publish, and the connector then heeds above its own word. */
function policiesOf({ to, tls }: Connector): readonly string[] {
  if (to.kind !== "mx" || (tls.mode !== "opportunistic" && tls.mode !== "required")) return [];
  const { dane = true, mtaSts = true } = to;
  return [...(dane ? ["DANE"] : []), ...(mtaSts ? ["MTA-STS"] : [])];
}
