import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** Stands in front of a server and keeps what clients say to it. */
export interface RecordingProxy extends AsyncDisposable {
  readonly port: number;
  /** Lines of all clients, without CRLF, one char an octet, in the order of their arrival. */
  lines(): readonly string[];
}

const HOST = "127.0.0.1";

/** Passes octets to `port` of this machine and back, unchanged. */
export async function startRecordingProxy(port: number): Promise<RecordingProxy> {
  const said: string[] = [];
  const sockets = new Set<Socket>();
  const hold = (socket: Socket, other: Socket): void => {
    sockets.add(socket);
    const end = () => {
      sockets.delete(socket);
      other.destroy();
    };
    socket.on("error", end).on("close", end);
  };
  const server = createServer((client) => {
    const upstream = connect({ port, host: HOST, noDelay: true });
    hold(client, upstream);
    hold(upstream, client);
    let rest = "";
    client.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString("latin1")).split("\r\n");
      rest = lines.pop() ?? "";
      said.push(...lines);
    });
    client.pipe(upstream);
    upstream.pipe(client);
  });
  server.listen(0, HOST);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    lines: () => said,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
