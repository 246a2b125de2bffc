import type { Ground } from "./compose-ground.ts";
import type { TlsSource } from "./smtp/listener-tls.ts";
import { openTlsHolder, type TlsHolder } from "./smtp/tls-holder.ts";

/** The certificates of all listeners, kept up to date with their files. */
export interface Certificates {
  /** Throws for a listener that the settings do not know. */
  of(listener: string): TlsSource;
  /** Reads all files again. Never rejects. */
  reload(): Promise<void>;
}

/** Rejects when a listener has none that can serve. */
export async function openCertificates(
  stack: AsyncDisposableStack,
  { settings, clock, log, metrics }: Ground,
): Promise<Certificates> {
  const holders = new Map<string, TlsHolder>();
  const reloads = metrics.counter(
    "postern_certificate_reloads_total",
    "Readings of certificate files after the start, by outcome.",
    ["listener", "outcome"],
  );
  const shared = { dataDir: settings.dataDir, clock, log, reloads };
  for (const { name, hostname, tls } of settings.listeners) {
    const holder = await openTlsHolder({ listener: name, hostname, files: tls, ...shared });
    stack.defer(() => holder.close());
    holders.set(name, holder);
  }
  metrics.gaugeBy(
    "postern_certificate_expires_seconds",
    "Seconds until the first certificate of a listener ends; negative: it has ended.",
    "listener",
    () =>
      [...holders].map(([name, one]) => [name, (one.expiresAt() - clock.now()) / 1000] as const),
  );
  return {
    of(listener) {
      const holder = holders.get(listener);
      if (holder === undefined) throw new Error(`no listener ${listener}`);
      return holder;
    },
    reload: async () => void (await Promise.all(holders.values().map((one) => one.reload()))),
  };
}
