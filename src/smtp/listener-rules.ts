import { type Cidr, isInside, parseCidr } from "../net/ip.ts";
import type { LogonDemand } from "./logon-demand.ts";
import { relayPermission } from "./relay-permission.ts";
import type { ClientFacts, ListenerFacts } from "./session-handler.ts";
import type { SessionState } from "./session-state.ts";
import type { TlsDemands } from "./tls-demands.ts";

/** What is special about the sessions of one listener. */
export interface ListenerRules {
  /** Follows the host name and ESMTP in the greeting. */
  readonly banner: string | null;
  /** Whose clients may relay: those of a hub listener, no others. */
  readonly relayFrom: readonly { readonly text: string; readonly range: Cidr }[];
  readonly demands: TlsDemands;
  readonly logon: LogonDemand;
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
  /** Null: nobody can log on. */
  readonly auth: { readonly required: boolean } | null;
}

/** An internet listener without anything special. */
export const PLAIN_RULES: ListenerRules = {
  banner: null,
  relayFrom: [],
  demands: { tls: false, certificate: false },
  logon: "none",
};

/**
 * A partner always needs TLS and its certificate; others as the settings say. Where a password does as
 * well, a certificate is one way in and not asked of everybody.
 */
export function toListenerRules({ kind, banner, from, tls, auth }: ListenerWords): ListenerRules {
  const isPartner = kind === "partner";
  const verifies = tls.clientCa !== null || tls.clientPins.length > 0;
  return {
    banner,
    relayFrom: kind === "hub" ? from.flatMap(toNetwork) : [],
    demands: {
      tls: isPartner || tls.required,
      certificate: isPartner || (tls.required && verifies && (auth === null || auth.required)),
    },
    logon: auth === null ? "none" : auth.required ? "password" : "permission",
  };
}

/** The network that permits this address to relay, as the operator wrote it, or null. */
export function relayNetwork({ relayFrom }: ListenerRules, ip: string): string | null {
  return relayFrom.find(({ range }) => isInside(ip, range))?.text ?? null;
}

/** Nobody vouches for the client: no network, no certificate, no password, no partner. */
export function isAnonymous(
  { logon }: ListenerRules,
  client: ClientFacts,
  state: Pick<SessionState, "tls" | "user"> | null,
): boolean {
  if (client.listener.kind === "internet") return true;
  if (logon === "none") return false;
  return relayPermission(client, state?.tls ?? null, state?.user ?? null) === null;
}

function toNetwork(text: string): ListenerRules["relayFrom"] {
  const range = parseCidr(text);
  return range === null ? [] : [{ text, range }];
}
