import { isIP } from "node:net";
import { machineAddresses } from "../net/machine-addresses.ts";
import { outsideRoutes } from "../policy/routing.ts";
import type { AcceptedDomain, Connector, Domains, Routing } from "../policy/snapshot.ts";
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

/** From the least that a server must do to the most; the last three keep out whoever is between. */
const STRENGTH: { readonly [M in Connector["tls"]["mode"]]: number } = {
  none: 0,
  opportunistic: 1,
  required: 2,
  verified: 3,
  pinned: 3,
  mutual: 3,
};

/** Whoever can cut a server off chooses the way that stands in for it. */
function checkStandIns(all: readonly Connector[]): readonly Warning[] {
  const byCost = all.toSorted((a, b) => a.cost - b.cost);
  return byCost.flatMap((standIn, index) => {
    const weakened = byCost
      .slice(0, index)
      .find(
        (one) =>
          strengthOf(one) > strengthOf(standIn) &&
          one.domains.some((pattern) => standIn.domains.includes(pattern)),
      );
    if (!weakened) return [];
    const words = `weaker TLS (${wordsFor(standIn)}, not ${wordsFor(weakened)})`;
    const message = `it stands in for \`${weakened.name}\` with ${words}`;
    return [warn(standIn.name, `${message}: whoever can cut that one off may read its mail`)];
  });
}

/** A domain may ask for as much as is ever asked for. */
function strengthOf(connector: Connector): number {
  return heedsPolicies(connector) ? STRENGTH.verified : STRENGTH[connector.tls.mode];
}

function wordsFor(connector: Connector): string {
  const { mode } = connector.tls;
  return heedsPolicies(connector) ? `${mode} with DANE or MTA-STS` : mode;
}

function heedsPolicies({ to, tls }: Connector): boolean {
  if (to.kind !== "mx" || (tls.mode !== "opportunistic" && tls.mode !== "required")) return false;
  return to.dane !== false || to.mtaSts !== false;
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
