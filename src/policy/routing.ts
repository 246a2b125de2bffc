import { z } from "zod";
import { checkShape } from "./check-shape.ts";
import { type ConnectorFiles, type ReadNamedFile, readConnectorFiles } from "./connector-files.ts";
import {
  connectorSchema,
  DEFAULT_MX_PORT,
  reportConnectorFaults,
  type WrittenConnector,
} from "./connector-schema.ts";
import { compileReports, reportsSchema } from "./daily-reports.ts";
import { coverage, type DomainPattern, mostSpecific, patternsFor } from "./domain-pattern.ts";
import type { CompiledDomains } from "./domains.ts";
import type { Connector, ConnectorTarget, Domains, Routing, Smarthost } from "./snapshot.ts";
import type { Source } from "./source.ts";
import { asksLessTls } from "./tls-strength.ts";

const routingSchema = z.strictObject({
  connectors: z.record(z.string().min(1).max(64), connectorSchema).default({}),
  tlsReports: reportsSchema("tls-reports@example.org").optional(),
  dmarcReports: reportsSchema("dmarc-reports@example.org").optional(),
});

/**
 * `routing.yaml`: where mail goes, with the files that it names. Undefined after problems were
 * reported.
 */
export async function compileRouting(
  source: Source,
  readFile: ReadNamedFile,
): Promise<Routing | undefined> {
  const file = checkShape(routingSchema, source);
  if (!file) return undefined;
  const all: Connector[] = [];
  for (const [name, written] of Object.entries(file.connectors)) {
    const complain: Source["complain"] = (path, message, target) =>
      source.complain(["connectors", name, ...path], message, target);
    reportConnectorFaults(written, complain);
    const files = await readConnectorFiles(written, readFile, complain);
    all.push(toConnector(name, written, files));
  }
  const tlsReports = compileReports("tlsReports", file.tlsReports, source);
  const dmarcReports = compileReports("dmarcReports", file.dmarcReports, source);
  const reports = { ...(tlsReports && { tlsReports }), ...(dmarcReports && { dmarcReports }) };
  return { ...toRouting(all), ...reports };
}

function toConnector(name: string, written: WrittenConnector, files: ConnectorFiles): Connector {
  const { domains, cost, tls, names = [], pins = [], sourceAddress, ehlo = null } = written;
  const { maxConnections, messagesPerConnection } = written;
  return {
    name,
    domains,
    cost,
    to: toTarget(written),
    tls: { mode: tls, names, ca: files.ca, pins, identity: files.identity },
    sourceAddresses: sourceAddress === undefined ? [] : [sourceAddress].flat(),
    ehlo,
    auth: files.auth,
    maxConnections,
    messagesPerConnection,
  };
}

/**
 * Without a weight or a priority anywhere the order in the file is the order of preference; with
 * one, all are equal but for what is written.
 */
function toTarget(written: WrittenConnector): ConnectorTarget {
  const { mx, port = DEFAULT_MX_PORT, smarthosts = [], dane = true, mtaSts = true } = written;
  if (mx) return { kind: "mx", port, dane, mtaSts };
  const all = smarthosts.map((one) =>
    "port" in one ? { host: one, weight: undefined, priority: undefined } : one,
  );
  const isOrdered = all.every((one) => one.weight === undefined && one.priority === undefined);
  const hosts = all.map(
    ({ host, weight = 1, priority }, at): Smarthost => ({
      ...host,
      weight,
      priority: priority ?? (isOrdered ? at : 0),
    }),
  );
  return { kind: "smarthosts", hosts };
}

/**
 * The most specific address space, then the least cost, then the first in the file. The others of
 * that space come after it, but for those that ask for less TLS: else whoever can cut off the
 * first would choose them.
 */
export function toRouting(all: readonly Connector[]): Routing {
  const byPattern = new Map<DomainPattern, readonly Connector[]>();
  for (const connector of all.toSorted((a, b) => a.cost - b.cost)) {
    for (const pattern of new Set(connector.domains)) {
      const ways = byPattern.get(pattern) ?? [];
      const [first] = ways;
      if (first && asksLessTls(connector, first)) continue;
      byPattern.set(pattern, [...ways, connector]);
    }
  }
  return byWays(all, (domain) => mostSpecific(byPattern, domain) ?? []);
}

function byWays(all: Routing["all"], ways: Routing["ways"]): Routing {
  return { all, ways, route: (domain) => ways(domain)[0] ?? null };
}

/**
 * The bare `<postmaster>` of RFC 5321 4.5.1 has no domain: it goes where the first of ours goes that
 * has smarthosts. No mail servers can be looked up for it.
 */
export function withPostmaster(routing: Routing, { all }: Domains): Routing {
  const homes = all.map(({ name }) =>
    routing.ways(name).filter(({ to }) => to.kind === "smarthosts"),
  );
  const home = homes.find((ways) => ways.length > 0) ?? [];
  const ways: Routing["ways"] = (domain) => (domain === "" ? home : routing.ways(domain));
  return { ...routing, ...byWays(routing.all, ways) };
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
