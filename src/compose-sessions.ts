import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createBufferGarbage } from "./base/buffer-garbage.ts";
import { shareOf } from "./base/share.ts";
import type { Ground } from "./compose-ground.ts";
import type { Policy } from "./compose-policy.ts";
import type { MessageStore } from "./mail/message.ts";
import { createMessageStore } from "./mail/message-store.ts";
import type { ListenerSettings } from "./settings.ts";
import { type Certificate, loadCertificate, ownCertificate } from "./smtp/certificate.ts";
import type { ConnectionHandler } from "./smtp/session-handler.ts";
import { createSessionHost, type SessionHost } from "./smtp/session-host.ts";
import type { SmtpMetrics } from "./smtp/smtp-metrics.ts";

/** Of each listener in this process, by its name. */
export type SessionHosts = ReadonlyMap<string, SessionHost>;

export async function openSessionHosts(
  stack: AsyncDisposableStack,
  ground: Ground,
  policy: Policy,
  handler: ConnectionHandler,
  metrics: SmtpMetrics,
): Promise<SessionHosts> {
  const { clock, log, settings } = ground;
  const limits = () => policy.current().limits;
  const hosts = new Map<string, SessionHost>();
  for (const own of settings.listeners) {
    const tls = await openCertificate(ground, own);
    const host = createSessionHost({ handler, tls, limits, clock, log, metrics });
    stack.defer(() => host.close());
    hosts.set(own.name, host);
  }
  return hosts;
}

/** The operator's, or ours, which is made when there is none. */
export async function openCertificate(
  { settings, clock, log }: Ground,
  { hostname, tls, name }: ListenerSettings,
): Promise<Certificate> {
  if (tls) return loadCertificate(tls);
  const certificate = await ownCertificate(hostname, settings.dataDir, clock.now());
  log.warn("certificate-self-signed", { listener: name, hostname });
  return certificate;
}

export async function openMessages(ground: Ground, policy: Policy): Promise<MessageStore> {
  const tempDir = join(ground.settings.dataDir, "tmp");
  await mkdir(tempDir, { recursive: true, mode: 0o700 });
  const { memory } = policy.current().limits;
  const totalBytes = shareOf(memory.totalBytes, ground.gateways);
  return createMessageStore({
    tempDir,
    perMessageBytes: Math.min(memory.messageBytes, totalBytes),
    totalBytes,
    onFileBytes: createBufferGarbage(),
  });
}

export function authservIdsOf({ settings }: Ground): readonly string[] {
  return [settings.hostname, ...settings.listeners.map(({ hostname }) => hostname)];
}
