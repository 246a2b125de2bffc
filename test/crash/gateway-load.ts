import { RawClient } from "../support/raw-client.ts";

/** Some mail is acknowledged on the spool, and nobody waits long for the hub. */
export const LOAD_POLICIES = {
  domains: {
    domains: {
      "example.org": { recipients: { list: ["alice@example.org", "bob@example.org"] } },
      "spooled.test": { verify: "off", ack: "spool" },
    },
  },
  limits: {
    connections: { newPerClientPerMinute: 1000 },
    session: { transactions: 10_000 },
    delivery: { waitSeconds: 1, retryFirstSeconds: 1, retryMaxSeconds: 1 },
  },
};

/** Numbered messages, each the same octets whenever it is asked for. */
export interface NumberedMessage {
  readonly number: number;
  readonly recipients: readonly string[];
  readonly octets: Buffer;
}

export interface Load {
  /** Numbers that got 250 so far. */
  readonly promised: ReadonlySet<number>;
  /** Numbers handed out so far. */
  sent(): number;
  /** Clients send one message after the other until `stop`, or until the server is gone. */
  start(port: number, clients: number): void;
  /** Resolves when the last client has ended. */
  stop(): Promise<void>;
}

export function createLoad(): Load {
  const promised = new Set<number>();
  let next = 0;
  let stopping = false;
  let running: Promise<unknown> = Promise.resolve();

  async function talk(port: number, localAddress: string): Promise<void> {
    const client = await RawClient.open({ port, localAddress });
    try {
      await client.reply();
      await client.say("EHLO mail.friend.test");
      while (!stopping) {
        const message = toMessage(next++);
        if (await isAccepted(client, message)) promised.add(message.number);
      }
    } finally {
      client.destroy();
    }
  }
  return {
    promised,
    sent: () => next,
    start(port, clients) {
      stopping = false;
      // A client whose server is killed has nothing to say: what it was not told is not promised.
      running = Promise.allSettled(
        Array.from({ length: clients }, (_, i) => talk(port, `127.0.1.${i + 1}`)),
      );
    },
    async stop() {
      stopping = true;
      await running;
    },
  };
}

async function isAccepted(client: RawClient, message: NumberedMessage): Promise<boolean> {
  await client.say("MAIL FROM:<carol@friend.test>");
  for (const recipient of message.recipients) await client.say(`RCPT TO:<${recipient}>`);
  const { code } = await client.say("DATA");
  if (code !== 354) return false;
  client.send(message.octets);
  client.send(".\r\n");
  return (await client.reply()).code === 250;
}

const KIB = 1024;

/** Every third is acknowledged on the spool; a few do not fit into memory. */
export function toMessage(number: number): NumberedMessage {
  const recipients =
    number % 3 === 0
      ? ["dave@spooled.test"]
      : ["alice@example.org", "bob@example.org"].slice(number % 2);
  const kib = number % 50 === 49 ? 1200 : number % 10 === 9 ? 100 : 1;
  const line = `${"numbered ".repeat(7)}\r\n`;
  const lines = Math.ceil((kib * KIB) / line.length);
  const header = `From: <carol@friend.test>\r\nX-Number: ${number}\r\n\r\n`;
  return { number, recipients, octets: Buffer.from(header + line.repeat(lines)) };
}

/** The number of a message that has arrived somewhere. */
export function numberOf(data: Buffer): number {
  return Number(/^X-Number: (\d+)\r$/m.exec(data.subarray(0, 8 * KIB).toString("latin1"))?.[1]);
}
