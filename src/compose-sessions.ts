import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createBufferGarbage } from "./base/buffer-garbage.ts";
import { shareOf } from "./base/share.ts";
import type { Certificates } from "./compose-certificates.ts";
import type { Ground } from "./compose-ground.ts";
import type { Logons } from "./compose-logons.ts";
import type { Policy } from "./compose-policy.ts";
import { createReceiver } from "./gateway/receive.ts";
import type { ReceiveDeps } from "./gateway/receive-deps.ts";
import type { MessageStore } from "./mail/message.ts";
import { createMessageStore } from "./mail/message-store.ts";
import { limitsFor } from "./policy/listener-limits.ts";
import { toListenerRules } from "./smtp/listener-rules.ts";
import { createSessionHost, type SessionHost } from "./smtp/session-host.ts";
import type { SmtpMetrics } from "./smtp/smtp-metrics.ts";

/** Of each listener in this process, by its name. */
export type SessionHosts = ReadonlyMap<string, SessionHost>;

export function openSessionHosts(
  stack: AsyncDisposableStack,
  { ground, policy, house, certificates, logons, metrics }: SessionParts,
): SessionHosts {
  const { clock, log, settings } = ground;
  const shared = { handler: createReceiver(house), clock, log, metrics };
  const hosts = new Map<string, SessionHost>();
  for (const own of settings.listeners) {
    const tls = certificates.of(own.name);
    const rules = toListenerRules(own);
    const authenticator = logons.of(own.name);
    const limits = () => limitsFor(policy.current().limits, own.name);
    const host = createSessionHost({ ...shared, tls, rules, authenticator, limits });
    stack.defer(() => host.close());
    hosts.set(own.name, host);
  }
  return hosts;
}

interface SessionParts {
  readonly ground: Ground;
  readonly policy: Policy;
  readonly house: ReceiveDeps;
  readonly certificates: Certificates;
  readonly logons: Logons;
  readonly metrics: SmtpMetrics;
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
