import { isIP } from "node:net";
import { machineAddresses } from "../net/machine-addresses.ts";
import { outsideRoutes } from "../policy/routing.ts";
import type { AcceptedDomain, Connector, Domains, Routing } from "../policy/snapshot.ts";
import { asksLessTls, wordsForTls } from "../policy/tls-strength.ts";
import { toCertificate } from "../smtp/certificate.ts";
import { noteCertificate } from "../smtp/inspect-certificate.ts";
import type { CheckedListener, Warning } from "./check-listeners.ts";

/** Connectors whose mail can come from nowhere, or would only come back. */
export function checkRouteUse(
  listeners: readonly Pick<CheckedListener, "kind">[],
  policy: { readonly domains: Domains; readonly routing: Routing },
): readonly Warning[] {
  const { domains, routing } = policy;
  const isClosed = !listeners.some(({ kind }) => kind === "hub");
  return [
    ...(isClosed ? checkOutside(domains, routing) : []),
    ...domains.all.flatMap((domain) => checkHome(domain, routing)),
  ];
}

/** A connector for foreign mail has mail only where a listener lets somebody relay. */
function checkOutside(domains: Domains, routing: Routing): readonly Warning[] {
  const foreign = outsideRoutes(domains, routing).map(({ connector, pattern }) =>
    warn(connector, `\`${pattern}\` is no accepted domain, and no hub listener sends mail there`),
  );
  const open = routing.all.filter(({ to, domains: all }) => to.kind === "mx" && all.includes("*"));
  const message = "no hub listener sends mail to `*`: nothing but bounces will go there";
  return [...foreign, ...open.map(({ name }) => warn(name, message))];
}

/** We are the mail server of our own domains: their mail servers are no way to the mailboxes. */
function checkHome({ name, type }: AcceptedDomain, routing: Routing): readonly Warning[] {
  if (type === "external-relay") return [];
  const lookedUp = routing.ways(name).filter(({ to }) => to.kind === "mx");
  const message = `the mail servers of our own \`${name}\` are looked up, and we are one of them`;
  return lookedUp.map((one) => warn(one.name, `${message}: give it a connector with smarthosts`));
}

/** What will probably not work as it is meant. */
export function checkConnectors(
  { all }: Routing,
  now: number,
  ownAddresses: readonly string[] = machineAddresses(),
): readonly Warning[] {
  return [
    ...all.flatMap((connector) => [
      ...checkNames(connector),
      ...checkSource(connector, ownAddresses),
      ...checkIdentity(connector, now),
    ]),
    ...checkStandIns(all),
  ];
}

/** Those that never have mail which the cheapest one of an address space cannot deliver. */
function checkStandIns(all: readonly Connector[]): readonly Warning[] {
  const byCost = all.toSorted((a, b) => a.cost - b.cost);
  return byCost.flatMap((connector) => {
    const firsts = connector.domains.flatMap(
      (pattern) => byCost.find(({ domains }) => domains.includes(pattern)) ?? [],
    );
    const first = firsts.find((one) => asksLessTls(connector, one));
    if (!first) return [];
    const words = `weaker TLS (${wordsForTls(connector)}, not ${wordsForTls(first)})`;
    const message = `it does not stand in for \`${first.name}\`, because it asks for ${words}`;
    return [warn(connector.name, message)];
  });
}

function checkNames({ name, to, tls }: Connector): readonly Warning[] {
  const isVerified = tls.mode === "verified" || tls.mode === "mutual";
  if (!isVerified || tls.names.length > 0 || to.kind === "mx") return [];
  return to.hosts
    .filter(({ host }) => isIP(host) !== 0)
    .map(({ host }) => {
      const message = `the certificate of ${host} must be for that address`;
      return warn(name, `${message}; names: [hub.example.org] asks for a name`);
    });
}

function checkSource(
  { name, sourceAddresses }: Connector,
  ownAddresses: readonly string[],
): readonly Warning[] {
  return sourceAddresses
    .filter((address) => !ownAddresses.includes(address) && !address.startsWith("127."))
    .map((address) => warn(name, `this machine has no address ${address} to send from`));
}

function checkIdentity({ name, tls }: Connector, now: number): readonly Warning[] {
  const { identity } = tls;
  if (!identity) return [];
  const { cert, key } = identity;
  // Pinned or issued by the hub's own authority: self-signed is no fault here.
  const certificate = { ...toCertificate(cert.text, key.text), selfSigned: false };
  return noteCertificate(certificate, null, now).map(({ text }) =>
    warn(name, `${cert.file}: ${text}`),
  );
}

function warn(connector: string, message: string): Warning {
  return { subject: `routing.yaml connectors.${connector}`, message };
}
