import { SMTPServer } from "smtp-server";

/** A message as the hub of the demo took it. */
export interface HubMessage {
  readonly sender: string;
  readonly recipients: readonly string[];
  /** The whole message, header first, one char an octet. */
  readonly text: string;
}

export interface DemoHub {
  readonly port: number;
  readonly messages: readonly HubMessage[];
  close(): Promise<void>;
}

const MOST_KEPT = 1000;

/** The organisation's mail server, as far as a demo needs one: takes all for two people. */
export async function startDemoHub(knows: readonly string[]): Promise<DemoHub> {
  const messages: HubMessage[] = [];
  const known = new Set(knows);
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["AUTH", "STARTTLS"],
    disableReverseLookup: true,
    onRcptTo({ address }, _session, done) {
      if (known.has(address)) return done();
      done(Object.assign(new Error("5.1.1 No such person here"), { responseCode: 550 }));
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const { mailFrom, rcptTo } = session.envelope;
        const sender = mailFrom ? mailFrom.address : "";
        const recipients = rcptTo.map(({ address }) => address);
        if (messages.length < MOST_KEPT)
          messages.push({ sender, recipients, text: Buffer.concat(chunks).toString("latin1") });
        done();
      });
    },
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.server.address();
  if (typeof address !== "object" || !address) throw new Error("the demo hub has no port");
  return {
    port: address.port,
    messages,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
