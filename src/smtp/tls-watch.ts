import type { Log } from "../base/log.ts";
import type { ClientFacts, TlsFacts } from "./session-handler.ts";
import type { SmtpMetrics } from "./smtp-metrics.ts";
import type { WireListener } from "./wire.ts";

export interface TlsWatchOptions {
  readonly client: ClientFacts;
  readonly log: Log;
  readonly metrics: Pick<SmtpMetrics, "tlsSessions" | "tlsFailures">;
}

/** Counts and logs what becomes of handshakes, and tells the session all the same. */
export function watchTls(session: WireListener, options: TlsWatchOptions): WireListener {
  const { client, log, metrics } = options;
  const listener = client.listener.name;
  return {
    consume: (chunk) => session.consume(chunk),
    idle: () => session.idle(),
    secured(tls) {
      metrics.tlsSessions.add({ listener, protocol: tls.protocol });
      logCertificate(options, tls);
      session.secured(tls);
    },
    left(reason, handshakeError) {
      if (handshakeError !== undefined) {
        const why = reasonOf(handshakeError);
        metrics.tlsFailures.add({ listener, reason: why });
        const error = handshakeError === "" ? {} : { error: handshakeError };
        log.info("tls-handshake-failed", { listener, client: client.ip, reason: why, ...error });
      }
      session.left(reason);
    },
  };
}

function logCertificate({ client: { ip, listener }, log }: TlsWatchOptions, tls: TlsFacts): void {
  const { client } = tls;
  if (client === undefined || client.kind === "none") return;
  const { kind: outcome, ...shown } = client;
  const fields = { listener: listener.name, client: ip, outcome, ...shown };
  if (outcome === "refused") log.warn("client-certificate", fields);
  else log.info("client-certificate", fields);
}

/** A label is one of a few: an error's code is partly the client's choice. */
function reasonOf(error: string): string {
  if (/PROTOCOL|VERSION/.test(error)) return "protocol";
  if (/CIPHER/.test(error)) return "cipher";
  if (/CERT|UNKNOWN_CA/.test(error)) return "certificate";
  return error === "" || error === "ECONNRESET" ? "left" : "other";
}
