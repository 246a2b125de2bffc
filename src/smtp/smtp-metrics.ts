import type { CounterMetric, Metrics } from "../base/metrics.ts";
import type { ConnectionCounters } from "./connection-counters.ts";

/** Made once a gateway and shared by its listeners: a metric has one name in a registry. */
export interface SmtpMetrics {
  /** By listener and outcome: accepted, or why not. */
  readonly connections: CounterMetric;
  /** By listener and basic code. */
  readonly replies: CounterMetric;
  /** By listener and fault: what was wrong with data. */
  readonly dataFaults: CounterMetric;
  /** By listener and version. */
  readonly tlsSessions: CounterMetric;
  /** By listener and reason. */
  readonly tlsFailures: CounterMetric;
  /** By listener: clients that spoke before they were greeted. */
  readonly earlyTalkers: CounterMetric;
  /** By listener, and by how they were answered: at-once, late, over. */
  readonly unknownRecipients: CounterMetric;
}

export function createSmtpMetrics(
  metrics: Metrics,
  counters: Pick<ConnectionCounters, "open" | "isStressed">,
): SmtpMetrics {
  metrics.gauge("postern_smtp_open_connections", "Clients connected now.", counters.open);
  metrics.gauge("postern_smtp_stress", "1 while clients get less patience, else 0.", () =>
    counters.isStressed() ? 1 : 0,
  );
  return {
    connections: metrics.counter(
      "postern_smtp_connections_total",
      "Connections of clients by what became of them.",
      ["listener", "outcome"],
    ),
    replies: metrics.counter("postern_smtp_replies_total", "Replies by basic code.", [
      "listener",
      "code",
    ]),
    dataFaults: metrics.counter("postern_smtp_data_faults_total", "Messages that were none.", [
      "listener",
      "fault",
    ]),
    tlsSessions: metrics.counter("postern_smtp_tls_sessions_total", "TLS handshakes that ended.", [
      "listener",
      "protocol",
    ]),
    tlsFailures: metrics.counter("postern_smtp_tls_failures_total", "TLS handshakes that failed.", [
      "listener",
      "reason",
    ]),
    earlyTalkers: metrics.counter(
      "postern_smtp_early_talkers_total",
      "Clients that spoke before they were greeted.",
      ["listener"],
    ),
    unknownRecipients: metrics.counter(
      "postern_smtp_unknown_recipients_total",
      "Recipients that do not exist, by how the client was told: at-once, late, over.",
      ["listener", "answered"],
    ),
  };
}
