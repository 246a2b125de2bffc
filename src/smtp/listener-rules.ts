import { type Cidr, isInside, parseCidr } from "../net/ip.ts";
import type { ListenerFacts } from "./session-handler.ts";
import type { TlsDemands } from "./tls-demands.ts";

/** What is special about the sessions of one listener. */
export interface ListenerRules {
  /** Follows the host name and ESMTP in the greeting. */
  readonly banner: string | null;
  /** Whose clients may relay: those of a hub listener, no others. */
  readonly relayFrom: readonly { readonly text: string; readonly range: Cidr }[];
  readonly demands: TlsDemands;
}

export interface ListenerWords {
  readonly kind: ListenerFacts["kind"];
  readonly banner: string | null;
  /** Addresses and networks. */
  readonly from: readonly string[];
  readonly tls: {
    readonly clientCa: string | null;
    readonly clientPins: readonly string[];
    readonly required: boolean;
  };
}

/** An internet listener without anything special. */
export const PLAIN_RULES: ListenerRules = {
  banner: null,
  relayFrom: [],
  demands: { tls: false, certificate: false },
};

/** A partner always needs TLS and its certificate; others as the settings say. */
export function toListenerRules({ kind, banner, from, tls }: ListenerWords): ListenerRules {
  const isPartner = kind === "partner";
  const verifies = tls.clientCa !== null || tls.clientPins.length > 0;
  return {
    banner,
    relayFrom: kind === "hub" ? from.flatMap(toNetwork) : [],
    demands: {
      tls: isPartner || tls.required,
      certificate: isPartner || (tls.required && verifies),
    },
  };
}

/** The network that permits this address to relay, as the operator wrote it, or null. */
export function relayNetwork({ relayFrom }: ListenerRules, ip: string): string | null {
  return relayFrom.find(({ range }) => isInside(ip, range))?.text ?? null;
}

function toNetwork(text: string): ListenerRules["relayFrom"] {
  const range = parseCidr(text);
  return range === null ? [] : [{ text, range }];
}
