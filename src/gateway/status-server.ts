import { createServer, type Server } from "node:http";
import type { Clock } from "../base/clock.ts";
import type { Exposition } from "../base/metrics.ts";

/** What /readyz says. Ready means that mail is taken; the reasons are for people. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

export interface StatusServer {
  listen(host: string, port: number): Promise<{ readonly host: string; readonly port: number }>;
  close(): Promise<void>;
}

/** Of a connection, which carries one request: whoever asks or reads slowly keeps others out. */
const CONNECTION_MS = 10_000;
const MAX_CONNECTIONS = 32;

/** GET /metrics, /healthz (the process turns), /readyz (mail is taken). Reads nothing else. */
export function createStatusServer(
  expose: () => Promise<Exposition>,
  readiness: () => Promise<Readiness>,
  clock: Clock,
): StatusServer {
  const server = createServer((request, response) => {
    const send = (status: number, type: string, text: string) => {
      const headers = { "content-type": type, "x-content-type-options": "nosniff" };
      response.writeHead(status, { ...headers, connection: "close" });
      response.end(request.method === "HEAD" ? undefined : text);
    };
    if (request.method !== "GET" && request.method !== "HEAD")
      return send(405, "text/plain", "method not allowed\n");
    if (request.url === "/healthz") return send(200, "text/plain", "ok\n");
    if (request.url === "/readyz") {
      readiness().then(
        (state) => send(state.ready ? 200 : 503, "application/json", `${JSON.stringify(state)}\n`),
        () => send(503, "text/plain", "nobody answers\n"),
      );
      return;
    }
    if (request.url !== "/metrics") return send(404, "text/plain", "not found\n");
    expose().then(
      ({ type, text }) => send(200, type, text),
      () => send(500, "text/plain", "metrics cannot be read\n"),
    );
  });
  server.on("connection", (socket) => {
    const cancel = clock.after(CONNECTION_MS, () => socket.destroy());
    socket.once("close", cancel);
  });
  server.maxConnections = MAX_CONNECTIONS;
  return {
    listen: (host, port) => listen(server, host, port),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number) {
  return new Promise<{ host: string; port: number }>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      const address = server.address();
      resolve({ host, port: typeof address === "object" && address ? address.port : port });
    });
  });
}
