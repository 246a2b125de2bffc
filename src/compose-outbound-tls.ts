import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { startRounds } from "./base/rounds.ts";
import type { Ground, Stores } from "./compose-ground.ts";
import { ownMailSigner, type Policy } from "./compose-policy.ts";
import { canonicalName } from "./net/dns-name.ts";
import { createHttpsClient, type HttpsClient } from "./net/https-exchange.ts";
import type { Fact } from "./pipeline/facts.ts";
import { createDmarcReporter } from "./relay/dmarc/dmarc-reporter.ts";
import type { Relay } from "./relay/relay.ts";
import { createMtaSts, type MtaSts } from "./relay/tls/mta-sts.ts";
import { createStsStore } from "./relay/tls/mta-sts-store.ts";
import { createMxTlsPolicy } from "./relay/tls/mx-tls-policy.ts";
import type { TlsPolicy } from "./relay/tls/tls-policy.ts";
import { createTlsReporter } from "./relay/tls/tls-reporter.ts";
import { loadAuthorities } from "./smtp/listener-tls.ts";

/** Whom we believe on the way out, and what TLS we ask of mail servers. */
export interface OutboundTls {
  /** PEM; absent: the well-known ones. */
  readonly authorities?: readonly string[];
  readonly tlsPolicy: TlsPolicy;
  readonly mtaSts: MtaSts;
  readonly https: HttpsClient;
}

/** Rejects when the authorities of the settings cannot be read. */
export async function openOutboundTls(ground: Ground): Promise<OutboundTls> {
  const { settings, resolver } = ground;
  const { authorities: file } = settings;
  const own = file === null ? null : await loadAuthorities(file);
  const trust = own === null ? {} : { authorities: [...rootCertificates, own] };
  const hosts = new Set(Object.keys(settings.hosts).map(canonicalName));
  const isOwnHost = (host: string) => hosts.has(canonicalName(host));
  const https = createHttpsClient({ resolver, isOwnHost, ...trust });
  const store = createStsStore(join(settings.dataDir, "mta-sts"));
  const mtaSts = createMtaSts({ ...ground, https, store });
  return { ...trust, https, mtaSts, tlsPolicy: createMxTlsPolicy({ ...ground, mtaSts }) };
}

/** RFC 8461 10.2 asks for once a day; what was missed by an outage shall not wait for the next. */
const REFRESH_MS = 60 * 60 * 1000;
/** Reports are spread over four hours. */
const REPORT_MS = 15 * 60 * 1000;

/** What is done once for all processes: policies are kept up to date, reports are sent. */
export function startDailyRounds(
  stack: AsyncDisposableStack,
  ground: Ground,
  policy: Policy,
  { mtaSts, https }: OutboundTls,
  { spool, tracking, relay }: Pick<Stores, "spool" | "tracking"> & { readonly relay: Relay },
): void {
  const { settings, clock } = ground;
  stack.defer(startRounds(clock, REFRESH_MS, mtaSts.refresh));
  const shared = {
    ...ground,
    hostname: settings.hostname,
    routing: () => policy.current().routing,
    counts: tracking,
    spool,
    wake: relay.wake,
    record: (fact: Fact) => void tracking.record(fact),
    signOwnMail: ownMailSigner(ground, () => policy.current().signing),
  };
  for (const report of [createTlsReporter({ ...shared, https }), createDmarcReporter(shared)])
    stack.defer(startRounds(clock, REPORT_MS, report));
}
