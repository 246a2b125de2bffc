import { createServer, type Socket } from "node:net";

/**
 * A hub as careless as hubs have been: CR, LF and CRLF all end a line, of commands and of data, a
 * lone dot between any two of them ends DATA, and NULs are dropped. What it takes for a message is
 * what a smuggler would have had delivered (threats.md P1, P2).
 */
export interface LenientHub extends AsyncDisposable {
  readonly port: number;
  /** Since the last call. */
  take(): readonly LenientMessage[];
}

export interface LenientMessage {
  readonly sender: string;
  readonly recipients: readonly string[];
  /** Lines parted by LF, dots unstuffed. */
  readonly text: string;
}

interface Session {
  rest: string;
  sender: string;
  recipients: string[];
  data: string[] | null;
}

export async function startLenientHub(): Promise<LenientHub> {
  const sockets = new Set<Socket>();
  let messages: LenientMessage[] = [];
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket));
    serve(socket, (message) => messages.push(message));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    take() {
      const taken = messages;
      messages = [];
      return taken;
    },
    [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function serve(socket: Socket, deliver: (message: LenientMessage) => void): void {
  const session: Session = { rest: "", sender: "", recipients: [], data: null };
  let endedInCr = false;
  socket.write("220 lenient.test ESMTP\r\n");
  socket.on("data", (chunk: Buffer) => {
    let text = chunk.toString("latin1").replaceAll("\0", "");
    if (endedInCr && text.startsWith("\n")) text = text.slice(1);
    if (text !== "" || !endedInCr) endedInCr = text.endsWith("\r");
    const lines = (session.rest + text).split(/\r\n|\r|\n/);
    session.rest = lines.pop() ?? "";
    for (const line of lines) {
      const reply = session.data
        ? takeData(session, session.data, line, deliver)
        : answer(session, line);
      if (reply !== "") socket.write(`${reply}\r\n`);
    }
  });
}

function takeData(
  session: Session,
  data: string[],
  line: string,
  deliver: (message: LenientMessage) => void,
): string {
  if (line !== ".") {
    data.push(line.startsWith(".") ? line.slice(1) : line);
    return "";
  }
  const { sender, recipients } = session;
  deliver({ sender, recipients, text: data.join("\n") });
  session.data = null;
  return "250 2.0.0 queued";
}

function answer(session: Session, line: string): string {
  const verb = line.slice(0, 4).toUpperCase();
  switch (verb) {
    case "EHLO":
      return "250-lenient.test\r\n250-PIPELINING\r\n250 8BITMIME";
    case "MAIL":
      session.sender = line;
      session.recipients = [];
      return "250 2.1.0 ok";
    case "RCPT":
      session.recipients.push(line);
      return "250 2.1.5 ok";
    case "DATA":
      session.data = [];
      return "354 go ahead";
    default:
      return "250 2.0.0 whatever";
  }
}
