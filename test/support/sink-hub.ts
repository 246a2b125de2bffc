import { createServer, type Socket } from "node:net";

/** A hub that takes everything at once and keeps nothing, for what is weighed or timed. */
export interface SinkHub {
  readonly port: number;
  /** Messages taken so far. */
  count(): number;
  close(): Promise<void>;
}

const EHLO = ["sink.test", "PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 104857600"];
const END = "\r\n.\r\n";

export async function startSinkHub(): Promise<SinkHub> {
  const sockets = new Set<Socket>();
  let taken = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    serve(socket, () => {
      taken += 1;
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    count: () => taken,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function serve(socket: Socket, onMessage: () => void): void {
  /** What has come of a command line, or the last octets of a message. */
  let text = "";
  let inData = false;
  const say = (line: string) => socket.write(`${line}\r\n`);
  const answer = (line: string) => {
    const verb = line.slice(0, 4).toUpperCase();
    inData = verb === "DATA";
    if (verb === "EHLO")
      say(EHLO.map((word, i) => `250${i < EHLO.length - 1 ? "-" : " "}${word}`).join("\r\n"));
    else if (verb === "QUIT") socket.end("221 2.0.0 bye\r\n");
    else say(inData ? "354 go ahead" : "250 2.0.0 ok");
  };
  say("220 sink.test ESMTP");
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
    while (text !== "") {
      const end = inData ? `\r\n${text}`.indexOf(END) : text.indexOf("\r\n");
      if (end < 0) break;
      const rest = text.slice(end + (inData ? END.length - 2 : 2));
      if (inData) {
        inData = false;
        onMessage();
        say("250 2.0.0 taken");
      } else {
        answer(text.slice(0, end));
      }
      text = rest;
    }
    if (inData) text = text.slice(-END.length);
  });
}
