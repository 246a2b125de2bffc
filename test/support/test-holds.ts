import type { Address } from "../../src/mail/address.ts";
import type { NewHold } from "../../src/quarantine/quarantine.ts";
import { testId } from "./test-records.ts";

/** An address whose parts are cut at the last `@`: for stores, which only keep it. */
export function testAddress(spoken: string): Address {
  const at = spoken.lastIndexOf("@");
  return { spoken, localPart: spoken.slice(0, at), domain: spoken.slice(at + 1).toLowerCase() };
}

export function testHold(number: number, changes: Partial<NewHold> = {}): NewHold {
  const heldAt = Date.UTC(2026, 0, 1) + number * 1000;
  return {
    transactionId: testId(number),
    cause: "spam",
    detail: "score 12",
    envelope: {
      sender: testAddress("Sender@example.com"),
      recipients: [{ address: testAddress("alice@example.org") }],
      mail: { body: "7bit", smtputf8: false },
    },
    senderAuthenticated: false,
    needs: { eightBitMime: false, smtpUtf8: false },
    clientIp: "192.0.2.1",
    subject: "Grüße",
    from: "Sender <sender@example.com>",
    score: 12,
    heldAt,
    expiresAt: heldAt + 86_400_000,
    ...changes,
  };
}
