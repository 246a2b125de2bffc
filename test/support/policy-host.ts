import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";

export interface PolicyAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A local HTTPS server that says what it is told to: policies of MTA-STS, or yes to reports. */
export interface PolicyHost {
  readonly port: number;
  /** `GET mta-sts.example.org /path`, in order. */
  readonly requests: readonly string[];
  readonly bodies: readonly Buffer[];
  readonly contentTypes: readonly string[];
  /** Null: it never answers. `host`: those who ask for that one; all others without. */
  say(answer: PolicyAnswer | null, host?: string): void;
  close(): Promise<void>;
}

export async function startPolicyHost(
  identity: { readonly cert: string; readonly key: string },
  first: PolicyAnswer | null,
  { host = "127.0.0.1", port = 0 }: { readonly host?: string; readonly port?: number } = {},
): Promise<PolicyHost> {
  let answer = first;
  const own = new Map<string, PolicyAnswer | null>();
  const requests: string[] = [];
  const bodies: Buffer[] = [];
  const contentTypes: string[] = [];
  const server = createServer({ cert: identity.cert, key: identity.key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const named = (request.headers.host ?? "").replace(/:\d+$/, "");
      bodies.push(Buffer.concat(chunks));
      contentTypes.push(request.headers["content-type"] ?? "");
      requests.push(`${request.method} ${named} ${request.url}`);
      const said = own.has(named) ? own.get(named) : answer;
      if (!said) return;
      response.writeHead(said.status ?? 200, { "content-type": "text/plain", ...said.headers });
      response.end(said.body);
    });
  });
  // A client that does not like the certificate ends the handshake.
  server.on("tlsClientError", () => {});
  server.listen(port, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    bodies,
    contentTypes,
    say(next, asked) {
      if (asked === undefined) answer = next;
      else own.set(asked, next);
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
