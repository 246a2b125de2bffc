import type { Connector } from "../../policy/snapshot.ts";
import type { TlsDemand } from "../../smtp/remote-tls.ts";

/** What the connector itself says of TLS: for smarthosts, and for MX hosts that say nothing. */
export function connectorDemand({ tls }: Connector, host: string): TlsDemand {
  const { mode, names, ca, pins } = tls;
  switch (mode) {
    case "none":
    case "opportunistic":
    case "required":
      return { kind: mode };
    case "pinned":
      return { kind: "pinned", pins };
    case "verified":
    case "mutual":
      return {
        kind: "verified",
        names: names.length > 0 ? names : [host],
        ...(ca && { ca: ca.text }),
      };
  }
}
