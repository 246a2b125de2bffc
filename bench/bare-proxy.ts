import SMTPConnection from "nodemailer/lib/smtp-connection/index.js";
import { SMTPServer } from "smtp-server";

/**
 * What relay-throughput.ts measures Postern against: the two libraries that it stands on, joined by
 * nothing. It checks, adds and keeps nothing; 250 is said when the hub has said it.
 *
 * Usage: bare-proxy.ts HUB_PORT; prints the port that it listens on.
 */
const hubPort = Number(process.argv[2]);
const idle: SMTPConnection[] = [];

function open(): Promise<SMTPConnection> {
  const connection = new SMTPConnection({ host: "127.0.0.1", port: hubPort, ignoreTLS: true });
  return new Promise((resolve, reject) => {
    connection.once("error", reject);
    connection.connect((error) => {
      if (error) return reject(error);
      if (connection._socket) connection._socket.setNoDelay(true);
      resolve(connection);
    });
  });
}

async function relay(from: string, to: readonly string[], message: Buffer): Promise<void> {
  const connection = idle.pop() ?? (await open());
  await new Promise<void>((resolve, reject) => {
    connection.send({ from, to: [...to] }, message, (error) => (error ? reject(error) : resolve()));
  });
  idle.push(connection);
}

const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ["AUTH", "STARTTLS"],
  disableReverseLookup: true,
  logger: false,
  onData(stream, { envelope }, callback) {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      const from = envelope.mailFrom ? envelope.mailFrom.address : "";
      const to = envelope.rcptTo.map(({ address }) => address);
      relay(from, to, Buffer.concat(chunks)).then(
        () => callback(null, "taken"),
        (error) => callback(error),
      );
    });
  },
});
server.server.on("connection", (socket) => socket.setNoDelay(true));
const listener = server.listen(0, "127.0.0.1", () => {
  const address = listener.address();
  if (address !== null && typeof address === "object") process.stdout.write(`${address.port}\n`);
});
