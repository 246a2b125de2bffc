import type { PolicySnapshot } from "../policy/snapshot.ts";
import type { Warning } from "./check-listeners.ts";

/** What a connector is ready to do and cannot, for want of a setting or of another connector. */
export function checkOutboundTls(
  validates: boolean,
  { routing, signing }: Pick<PolicySnapshot<unknown>, "routing" | "signing">,
): readonly Warning[] {
  const direct = routing.all.filter(({ to }) => to.kind === "mx");
  const blind = direct.filter(({ to }) => to.kind === "mx" && to.dane !== false && !validates);
  const { tlsReports } = routing;
  const isReporting = tlsReports?.enabled === true;
  const domain = tlsReports?.from.domain ?? "";
  return [
    ...blind.map(({ name }) => ({ subject: `routing.yaml connectors.${name}`, message: BLIND })),
    ...(isReporting && direct.length === 0 ? [{ subject: REPORTS, message: NOTHING }] : []),
    ...(isReporting && signing.keysFor(domain).length === 0 ? [unsigned(domain)] : []),
  ];
}

const REPORTS = "routing.yaml tlsReports";
const BLIND =
  "DANE is not used, because no DNS server is said to validate (dns.validates); dane: false says that it is meant so";
const NOTHING = "there is nothing to report: no connector looks up mail servers (mx: true)";

function unsigned(domain: string): Warning {
  const message = `signing.yaml has no key for ${domain}: receivers have to ignore reports without a signature (RFC 8460 3)`;
  return { subject: REPORTS, message };
}
