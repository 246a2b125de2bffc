import { constants } from "node:crypto";
import { SMTPServer } from "smtp-server";
import type { Certificate } from "./certificate.ts";

/**
 * smtp-server without a listening socket: the listener accepts and counts, and gives each socket to
 * an EdgeConnection. The engine keeps the TLS context that upgrades use.
 */
export function createEngine(certificate: Certificate): SMTPServer {
  return new SMTPServer({
    key: certificate.key,
    cert: certificate.cert,
    // Its default is TLS 1.0, with renegotiation (threats.md P12).
    minVersion: "TLSv1.2",
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    logger: false,
  });
}
