import { parseReceived, type ReceivedHop } from "../../mail/received.ts";
import { isInnerIp, parseIp } from "../../net/ip.ts";
import type { RelayEvidence } from "../../pipeline/origin.ts";
import type { TrustedRelay } from "../../policy/snapshot.ts";
import { isRelayName } from "./relay-entries.ts";

/** Own relays stand in a row of two or three, each with a content filter behind loopback. */
const MAX_HOPS = 10;

export interface RelayChain {
  /** Who connected. */
  readonly client: string;
  readonly helo: string;
  /** Raw values, the topmost first. */
  readonly received: readonly string[];
  readonly relayOf: (ip: string) => TrustedRelay | null;
}

type Hop = Extract<ReceivedHop, { kind: "hop" }>;

/**
 * Goes down the Received fields as long as a trusted relay wrote them, from the one who connected: a
 * field counts only because the server that wrote it is known by its address, which the one above it
 * saw, and calls itself by one of its names. The first address that is no relay's is the origin.
 * Whatever stands below could be anybody's invention and is not looked at. Null: the client is none.
 */
export function followRelays({
  client,
  helo,
  received,
  relayOf,
}: RelayChain): RelayEvidence | null {
  const first = relayOf(client);
  if (first === null) return null;
  const hops: RelayEvidence["hops"][number][] = [];
  const ends = (origin: RelayEvidence["origin"], problem: string | null): RelayEvidence => ({
    relay: first.client,
    hops,
    origin,
    problem,
  });
  let writer: Writer = { relay: first, ip: client, helo };
  for (const raw of received.slice(0, MAX_HOPS)) {
    const hop = parseReceived(raw);
    if (hop.kind === "unreadable") return ends(null, `Received of ${writer.ip}: ${hop.reason}`);
    hops.push({ by: hop.by, from: hop.from?.ip ?? null, helo: hop.from?.helo ?? null });
    const step = stepBelow(writer, hop, relayOf);
    if (step.kind === "origin") return ends(step.origin, null);
    if (step.kind === "problem") return ends(null, step.problem);
    writer = step.writer;
  }
  const missing = received.length > MAX_HOPS ? `more than ${MAX_HOPS} hops` : "no Received field";
  return ends(null, `${missing} of ${writer.ip}`);
}

interface Writer {
  readonly relay: TrustedRelay;
  readonly ip: string;
  readonly helo: string | null;
}

type Step =
  | { readonly kind: "origin"; readonly origin: NonNullable<RelayEvidence["origin"]> }
  | { readonly kind: "problem"; readonly problem: string }
  /** Who wrote the next field. */
  | { readonly kind: "below"; readonly writer: Writer };

function stepBelow(writer: Writer, { by, from }: Hop, relayOf: RelayChain["relayOf"]): Step {
  if (!isRelayName(writer.relay, by)) {
    const problem = `Received of ${writer.ip} is by ${by}, which is no name of ${writer.relay.client}`;
    return { kind: "problem", problem };
  }
  // Made on the relay itself: its bounces, its reports.
  if (from === null) return { kind: "origin", origin: { ip: writer.ip, helo: writer.helo } };
  const ip = parseIp(from.ip);
  if (ip === null) return { kind: "problem", problem: `${from.ip} is no address` };
  // From a content filter beside it, which gives the mail back: the same host wrote the next one.
  if (isLoopback(ip.octets)) return { kind: "below", writer };
  const relay = relayOf(ip.text);
  if (relay !== null) return { kind: "below", writer: { relay, ip: ip.text, helo: from.helo } };
  if (isInnerIp(ip)) {
    // Nobody of the internet comes from there: it is a hop of theirs that nobody told us of.
    const problem = `${ip.text} is of an inner network and not among trustedRelays`;
    return { kind: "problem", problem };
  }
  return { kind: "origin", origin: { ip: ip.text, helo: from.helo } };
}

function isLoopback(octets: readonly number[]): boolean {
  if (octets.length === 4) return octets[0] === 127;
  return octets.every((octet, i) => octet === (i === 15 ? 1 : 0));
}
