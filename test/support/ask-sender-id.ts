import { checkSenderId, type SenderIdQuestion } from "../../src/auth/sender-id/check-sender-id.ts";
import type { SenderIdScope } from "../../src/auth/sender-id/sender-id-record.ts";
import { parseMailbox } from "../../src/mail/address.ts";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import { toZoneResolver, type Zone } from "./zone-resolver.ts";

/** The client of the example in RFC 4406 3.1, which asks unless told otherwise. */
export const SENDER_ID_CLIENT = "192.168.0.100";

export interface AskedSenderId {
  readonly head?: string;
  readonly sender?: string | null;
  readonly ip?: string;
  readonly scopes?: readonly SenderIdScope[];
  readonly usesVersion1?: boolean;
  readonly asked?: string[];
  readonly queries?: number;
}

/** Sender ID of a header (default: From alice@example.com) over a zone. */
export async function askSenderId(zone: Zone, given: AskedSenderId = {}) {
  const { sender = "bounce@example.com", scopes = ["pra"], usesVersion1 = true } = given;
  const head = given.head ?? "From: alice@example.com";
  const question: SenderIdQuestion = {
    ip: given.ip ?? SENDER_ID_CLIENT,
    headers: parseHeaderBlock(Buffer.from(`${head}\r\n\r\n`, "latin1")),
    sender: sender === null ? null : parseMailbox(sender),
    helo: "client.example.net",
    receiver: "gw.example.net",
    receivedAt: Date.UTC(2026, 0, 1),
    scopes,
    usesVersion1,
  };
  const scope = createLookupScope(new AbortController().signal, given.queries);
  return checkSenderId(question, toZoneResolver(zone, given.asked), scope);
}
