import { RawClient, type RawReply } from "./raw-client.ts";

export interface MailToSend {
  readonly port: number;
  readonly localAddress?: string;
  readonly helo?: string;
  readonly from?: string;
  readonly to?: readonly string[];
  /** Lines end in CRLF; dots are stuffed here. */
  readonly message: string | Buffer;
  /** Beside the address in MAIL FROM: "BODY=8BITMIME". */
  readonly parameters?: string;
}

export interface SentMail {
  readonly mail: RawReply;
  readonly rcpt: readonly RawReply[];
  /** The reply to the final dot; null when no recipient was accepted. */
  readonly final: RawReply | null;
  /** The reference in the last reply. */
  readonly id: string | null;
}

export const SIMPLE_MESSAGE: string =
  "From: <carol@friend.test>\r\nTo: <alice@example.org>\r\nSubject: Hello\r\n" +
  "Date: Sun, 22 Nov 2026 03:04:05 +0000\r\nMessage-ID: <1@friend.test>\r\n\r\nHello Alice\r\n";

/** One message over one connection, octet for octet. */
export async function sendMail(order: MailToSend): Promise<SentMail> {
  const { port, localAddress } = order;
  const client = await RawClient.open({ port, ...(localAddress && { localAddress }) });
  try {
    await client.reply();
    await client.say(`EHLO ${order.helo ?? "mail.friend.test"}`);
    const parameters = order.parameters ? ` ${order.parameters}` : "";
    const mail = await client.say(`MAIL FROM:<${order.from ?? "carol@friend.test"}>${parameters}`);
    const rcpt: RawReply[] = [];
    for (const to of order.to ?? ["alice@example.org"])
      rcpt.push(await client.say(`RCPT TO:<${to}>`));
    let final: RawReply | null = null;
    if (rcpt.some(({ code }) => code === 250)) {
      const go = await client.say("DATA");
      final = go;
      if (go.code === 354) {
        client.send(stuffed(order.message));
        client.send(".\r\n");
        final = await client.reply();
      }
    }
    await client.say("QUIT").catch(() => null);
    const last = final ?? rcpt.at(-1) ?? mail;
    return { mail, rcpt, final, id: /\(ref ([0-9A-Z]{18})\)/.exec(last.text)?.[1] ?? null };
  } finally {
    client.destroy();
  }
}

function stuffed(message: string | Buffer): Buffer {
  const text = Buffer.isBuffer(message) ? message.toString("latin1") : message;
  const octets = Buffer.isBuffer(message) ? text : Buffer.from(text, "utf8").toString("latin1");
  return Buffer.from(octets.replace(/(^|\r\n)\./g, "$1.."), "latin1");
}
