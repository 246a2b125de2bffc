import type { Ground } from "./compose-ground.ts";
import type { OutboundTls } from "./compose-outbound-tls.ts";
import { ownMailSigner, type Policy } from "./compose-policy.ts";
import { lookUpAddresses } from "./net/tcp.ts";
import { createOurSelf } from "./relay/hubs/own-names.ts";
import { createRelay, type Relay, type RelayOptions } from "./relay/relay.ts";
import { createSmtpConnector } from "./smtp/nodemailer-client.ts";

/** `queue` null: this process hands over, and another one retries. */
export function openRelay(
  ground: Ground,
  policy: Policy,
  stores: Pick<RelayOptions, "quarantine" | "spool" | "queue" | "onReached">,
  { authorities, tlsPolicy }: OutboundTls,
): Relay {
  const { settings, clock, log, resolver, gateways } = ground;
  const { hostname } = settings;
  const resolveHost = (host: string, signal: AbortSignal) =>
    lookUpAddresses(host, host, { resolver, signal });
  return createRelay({
    ...ground,
    ...stores,
    hostname,
    connector: createSmtpConnector({
      clock,
      log,
      hostname,
      resolveHost,
      ...(authorities && { authorities: authorities.join("\n") }),
    }),
    tlsPolicy,
    ourSelf: createOurSelf({
      names: [hostname, ...settings.listeners.map((listener) => listener.hostname)],
      listening: settings.listeners.map(({ listen }) => listen.host),
    }),
    routing: () => policy.current().routing,
    limits: () => policy.current().limits.delivery,
    signOwnMail: ownMailSigner(ground, () => policy.current().signing),
    keepDays: () => policy.current().quarantine.keepDays,
    // Several gateways have the service beside them, which retries.
    processes: gateways === 1 ? 1 : gateways + 1,
  });
}
