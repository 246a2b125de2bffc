import type { Json } from "../base/json.ts";
import { formatHostPort } from "./host-port.ts";
import type { Connector, ConnectorTarget, ConnectorTls } from "./snapshot.ts";

/** A connector as it would stand in routing.yaml: files by their names, never what they hold. */
export function showConnector(connector: Connector): Json {
  const { domains, cost, to, tls, sourceAddresses, ehlo, auth } = connector;
  return {
    domains,
    cost,
    ...showTarget(to),
    ...showTls(tls),
    ...(sourceAddresses.length > 0 && { sourceAddress: sourceAddresses }),
    ...(ehlo !== null && { ehlo }),
    ...(auth && { auth: { user: auth.user, passwordFile: auth.password.file } }),
    maxConnections: connector.maxConnections,
    messagesPerConnection: connector.messagesPerConnection,
  };
}

function showTarget(to: ConnectorTarget): { readonly [key: string]: Json } {
  if (to.kind === "mx") {
    const { port, dane = true, mtaSts = true } = to;
    return { mx: true, port, dane, mtaSts };
  }
  return {
    smarthosts: to.hosts.map(({ priority, weight, ...host }) => ({
      host: formatHostPort(host),
      priority,
      weight,
    })),
  };
}

function showTls({ mode, names, ca, pins, identity }: ConnectorTls): {
  readonly [key: string]: Json;
} {
  return {
    tls: mode,
    ...(names.length > 0 && { names }),
    ...(ca && { ca: ca.file }),
    ...(pins.length > 0 && { pins }),
    ...(identity && { cert: identity.cert.file, key: identity.key.file }),
  };
}
