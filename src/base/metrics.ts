import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from "prom-client";

export type Labels = Readonly<Record<string, string>>;

/** Numbers for a Prometheus scrape. Names start with `postern_` and end with their unit. */
export interface Metrics {
  counter(name: string, help: string, labels?: readonly string[]): CounterMetric;
  /** `together`: what the numbers of several processes make. Default: their sum. */
  gauge(name: string, help: string, read: () => number, together?: "sum" | "min" | "max"): void;
  /** One value for each value of a label. Default for `together`: "min", of what all see alike. */
  gaugeBy(
    name: string,
    help: string,
    label: string,
    read: () => Iterable<readonly [string, number]>,
    together?: "min" | "max",
  ): void;
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly string[],
  ): HistogramMetric;
  /** The exposition text and its content type. */
  expose(): Promise<Exposition>;
  /** Plain data, to be added up with those of other processes. */
  snapshot(): Promise<MetricsSnapshot>;
}

export interface Exposition {
  readonly type: string;
  readonly text: string;
}

export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

/** One exposition of all the processes of a gateway. */
export async function exposeTogether(snapshots: readonly MetricsSnapshot[]): Promise<Exposition> {
  const registry = AggregatorRegistry.aggregate([...snapshots] as unknown as object[]);
  return { type: registry.contentType, text: await registry.metrics() };
}

export interface CounterMetric {
  add(labels?: Labels, by?: number): void;
}

export interface HistogramMetric {
  observe(value: number, labels?: Labels): void;
}

/** An own registry each time: two gateways can run in one process. */
export function createMetrics(options: { readonly process?: boolean } = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (options.process) collectDefaultMetrics({ register: registry });
  return {
    counter(name, help, labels = []) {
      const counter = new Counter({ name, help, labelNames: [...labels], registers });
      return { add: (values = {}, by = 1) => counter.inc(values, by) };
    },
    gauge(name, help, read, together = "sum") {
      new Gauge({
        name,
        help,
        registers,
        aggregator: together,
        collect() {
          this.set(read());
        },
      });
    },
    gaugeBy(name, help, label, read, together = "min") {
      new Gauge({
        name,
        help,
        labelNames: [label],
        registers,
        aggregator: together,
        collect() {
          for (const [value, number] of read()) this.set({ [label]: value }, number);
        },
      });
    },
    histogram(name, help, buckets, labels = []) {
      const histogram = new Histogram({
        name,
        help,
        buckets: [...buckets],
        labelNames: [...labels],
        registers,
      });
      return { observe: (value, values = {}) => histogram.observe(values, value) };
    },
    async expose() {
      return { type: registry.contentType, text: await registry.metrics() };
    },
    snapshot: () => registry.getMetricsAsJSON(),
  };
}
