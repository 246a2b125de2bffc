import { randomBytes } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Metrics } from "../../base/metrics.ts";
import { type Address, parseMailbox } from "../../mail/address.ts";
import type { ProbeAnswer } from "../../stages/domains/recipient-probe.ts";

/** A hub that has not refused anybody in so many questions may know nobody. */
const SUSPICIOUS_YES = 20;
const AGAIN_AFTER_MS = 60 * 60_000;

/**
 * Finds hubs that take every recipient: asking them is no check, and what we then take they bounce
 * to forged senders. One that says yes all the time is asked for a mailbox that cannot exist, at most
 * once an hour for a domain.
 */
export interface HubCandour {
  /** Notes an answer that came from the hub. May ask, in the background. */
  note(recipient: Address, answer: ProbeAnswer): void;
}

export interface HubCandourOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly ask: (recipient: Address) => Promise<ProbeAnswer>;
}

interface Suspicion {
  yes: number;
  askAfter: number;
  takesAll: boolean;
}

/** Recipient domains of ours; beyond it the suspicion of some wildcard's subdomains is forgotten. */
const MAX_DOMAINS = 1000;

export function createHubCandour({ clock, log, metrics, ask }: HubCandourOptions): HubCandour {
  const byDomain = new Map<string, Suspicion>();
  metrics.gaugeBy(
    "postern_hub_accepts_unknown",
    "1 when the hub took a recipient that cannot exist, so that call-outs to it check nothing.",
    "domain",
    () => [...byDomain].map(([domain, { takesAll }]) => [domain, takesAll ? 1 : 0] as const),
  );
  const test = async (domain: string, suspicion: Suspicion): Promise<void> => {
    const nobody = parseMailbox(`postern-probe-${randomBytes(9).toString("hex")}@${domain}`);
    if (!nobody) return;
    const { kind, reply } = await ask(nobody);
    suspicion.takesAll = kind === "accepted";
    if (suspicion.takesAll) log.warn("hub-accepts-unknown", { domain, reply });
  };
  return {
    note({ domain }, { kind }) {
      const known = byDomain.get(domain);
      const suspicion = known ?? { yes: 0, askAfter: 0, takesAll: false };
      if (!known && byDomain.size < MAX_DOMAINS) byDomain.set(domain, suspicion);
      if (kind === "refused") Object.assign(suspicion, { yes: 0, takesAll: false });
      if (kind !== "accepted") return;
      suspicion.yes += 1;
      const now = clock.monotonic();
      if (suspicion.yes < SUSPICIOUS_YES || now < suspicion.askAfter) return;
      suspicion.askAfter = now + AGAIN_AFTER_MS;
      void test(domain, suspicion);
    },
  };
}
