import type { RcptFacts } from "../../src/pipeline/stage.ts";
import { heloFacts } from "./connect-facts.ts";
import { toAddress } from "./spool-item.ts";

/** Of a message from outside; `null` for the null sender. */
export function rcptFacts(
  sender: string | null,
  recipient: string,
  changes: Partial<RcptFacts> = {},
): RcptFacts {
  return {
    ...heloFacts("192.0.2.1", "client.example.net"),
    sender: sender === null ? null : toAddress(sender),
    mail: { body: "7bit", smtputf8: false },
    recipient: toAddress(recipient),
    ...changes,
  };
}

/** Of the hub: it may relay. */
export const RELAYED = { relay: { by: "network", network: "127.0.0.0/8" } } as const;
