import type { Clock } from "../../src/base/clock.ts";
import { createIds } from "../../src/base/ids.ts";
import type { Address } from "../../src/mail/address.ts";
import type { NewSpoolItem } from "../../src/spool/spool.ts";

export function toAddress(spoken: string): Address {
  const at = spoken.lastIndexOf("@");
  return {
    spoken,
    localPart: at < 0 ? spoken : spoken.slice(0, at),
    domain: spoken.slice(at + 1).toLowerCase(),
  };
}

/** A due entry from sender@away.test to the recipients. */
export function toSpoolItem(
  clock: Clock,
  recipients: readonly string[],
  change: Partial<NewSpoolItem> = {},
): NewSpoolItem {
  return {
    transactionId: createIds(clock).transaction(),
    envelope: {
      sender: toAddress("sender@away.test"),
      recipients: recipients.map((spoken) => ({ address: toAddress(spoken) })),
      mail: { body: "7bit", smtputf8: false },
    },
    senderAuthenticated: false,
    needs: { eightBitMime: false, smtpUtf8: false },
    receivedAt: clock.now(),
    dueAt: clock.now(),
    reason: "the hub is away",
    ...change,
  };
}
