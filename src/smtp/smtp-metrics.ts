import type { CounterMetric, Metrics } from "../base/metrics.ts";

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
}

export function createSmtpMetrics(metrics: Metrics, openConnections: () => number): SmtpMetrics {
  metrics.gauge("postern_smtp_open_connections", "Clients connected now.", openConnections);
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
  };
}
