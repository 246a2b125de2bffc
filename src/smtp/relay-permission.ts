import type { ClientFacts, TlsFacts } from "./session-handler.ts";

/** Why a client may send to domains that are not ours. Plain JSON, stored as evidence. */
export type RelayPermission =
  /** As the operator writes the name. */
  | { readonly by: "password"; readonly user: string }
  | { readonly by: "network"; readonly network: string }
  | {
      readonly by: "certificate";
      readonly subject: string;
      readonly fingerprint256: string;
      readonly via: "ca" | "pin";
    };

/**
 * Only of a hub listener (threats.md P5): a partner's certificate proves who he is and permits
 * nothing, and what an internet client shows counts for nothing. Who logged on is named by it
 * wherever he comes from.
 */
export function relayPermission(
  client: ClientFacts,
  tls: TlsFacts | null,
  user: string | null,
): RelayPermission | null {
  if (client.listener.kind !== "hub") return null;
  if (user !== null) return { by: "password", user };
  if (client.network) return { by: "network", network: client.network };
  const certificate = tls?.client;
  if (certificate?.kind !== "verified") return null;
  const { subject, fingerprint256, by: via } = certificate;
  return { by: "certificate", subject, fingerprint256, via };
}
