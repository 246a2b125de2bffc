import type { Routing } from "../policy/snapshot.ts";
import type { Warning } from "./check-listeners.ts";

/** What a connector is ready to do and cannot, for want of a setting or of another connector. */
export function checkOutboundTls(validates: boolean, routing: Routing): readonly Warning[] {
  const direct = routing.all.filter(({ to }) => to.kind === "mx");
  const blind = direct.filter(({ to }) => to.kind === "mx" && to.dane !== false && !validates);
  const warnings = blind.map(({ name }) => ({
    subject: `routing.yaml connectors.${name}`,
    message:
      "DANE is not used, because no DNS server is said to validate (dns.validates); dane: false says that it is meant so",
  }));
  if (direct.length > 0 || !routing.tlsReports?.enabled) return warnings;
  const message = "there is nothing to report: no connector looks up mail servers (mx: true)";
  return [...warnings, { subject: "routing.yaml tlsReports", message }];
}
