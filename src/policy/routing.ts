import { z } from "zod";
import { checkShape } from "./check-shape.ts";
import { coverage, type DomainPattern, parseDomainPattern, patternsFor } from "./domain-pattern.ts";
import type { CompiledDomains } from "./domains.ts";
import { type HostPort, parseHostPort } from "./host-port.ts";
import { parsedText } from "./parsed-text.ts";
import type { Connector, Domains, Routing } from "./snapshot.ts";
import type { Source } from "./source.ts";

const SMTP_PORT = 25;

const connectorSchema = z.strictObject({
  domains: z.array(parsedText(parseDomainPattern, "a domain, *.domain or *")).min(1),
  smarthosts: z.array(parsedText(parseSmarthost, "host:port or [IPv6]:port")).min(1).max(32),
  cost: z.int().min(0).max(10_000).default(10),
  tls: z.enum(["none", "opportunistic", "required", "verified"]).default("opportunistic"),
  // behaviour.md section 5: connections to one smarthost.
  maxConnections: z.int().min(1).max(1000).default(20),
});

const routingSchema = z.strictObject({
  connectors: z.record(z.string().min(1).max(64), connectorSchema).default({}),
});

/** `routing.yaml`: where mail goes. Undefined after problems were reported. */
export function compileRouting(source: Source): Routing | undefined {
  const file = checkShape(routingSchema, source);
  if (!file) return undefined;
  return toRouting(Object.entries(file.connectors).map(([name, entry]) => ({ ...entry, name })));
}

function parseSmarthost(text: string): HostPort | null {
  return parseHostPort(text, { defaultPort: SMTP_PORT });
}

/** The most specific address space, then the least cost, then the first in the file. */
export function toRouting(all: readonly Connector[]): Routing {
  const byPattern = new Map<DomainPattern, Connector>();
  for (const connector of all.toSorted((a, b) => a.cost - b.cost)) {
    for (const pattern of connector.domains) {
      if (!byPattern.has(pattern)) byPattern.set(pattern, connector);
    }
  }
  return {
    all,
    route(domain) {
      for (const pattern of patternsFor(domain)) {
        const connector = byPattern.get(pattern);
        if (connector) return connector;
      }
      return null;
    },
  };
}

/** The bare `<postmaster>` of RFC 5321 4.5.1 has no domain: it goes where the first of ours goes. */
export function withPostmaster(routing: Routing, { all }: Domains): Routing {
  const home = all[0] ? routing.route(all[0].name) : null;
  return { ...routing, route: (domain) => (domain === "" ? home : routing.route(domain)) };
}

/** Mail that is accepted must have somewhere to go. */
export function checkRoutes(
  { domains, keys }: CompiledDomains,
  routing: Routing,
  domainsSource: Source,
): void {
  const isRouted = coverage(routing.all.flatMap((connector) => connector.domains));
  for (const { name } of domains.all.filter(({ name }) => !isRouted(name))) {
    const path = ["domains", keys.get(name) ?? name];
    domainsSource.complain(path, `no connector in routing.yaml takes \`${name}\``, "key");
  }
}

/**
 * Address spaces of connectors that take no accepted domain. They open nothing by themselves: mail
 * for them is taken from hub listeners only.
 */
export function outsideRoutes(domains: Domains, routing: Routing): readonly OutsideRoute[] {
  const names = domains.all.map(({ name }) => name);
  const isAccepted = coverage(names);
  const above = new Set(names.flatMap((name) => [...patternsFor(name)]));
  return routing.all.flatMap(({ name: connector, domains: patterns }) =>
    patterns
      .filter((pattern) => !above.has(pattern) && !isAccepted(pattern))
      .map((pattern) => ({ connector, pattern })),
  );
}

export interface OutsideRoute {
  readonly connector: string;
  readonly pattern: DomainPattern;
}
