import type { RcptFacts } from "../../src/pipeline/stage.ts";
import { toAddress } from "./spool-item.ts";

/** Of a message from outside; `null` for the null sender. */
export function rcptFacts(
  sender: string | null,
  recipient: string,
  changes: Partial<RcptFacts> = {},
): RcptFacts {
  return {
    client: { ip: "192.0.2.1", port: 40_000 },
    listener: { name: "internet", kind: "internet", hostname: "mx.example.org" },
    receivedAt: 0,
    seed: "seed",
    reports: [],
    helo: { verb: "EHLO", name: "client.example.net" },
    tls: null,
    relay: null,
    sender: sender === null ? null : toAddress(sender),
    mail: { body: "7bit", smtputf8: false },
    recipient: toAddress(recipient),
    ...changes,
  };
}

/** Of the hub: it may relay. */
export const RELAYED = { relay: { by: "network", network: "127.0.0.0/8" } } as const;
