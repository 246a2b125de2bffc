import { request } from "node:http";
import { type ConnectionOptions, checkServerIdentity, connect, type TLSSocket } from "node:tls";
import { errorText, Unavailable } from "../base/errors.ts";
import { isPublicIp } from "./ip.ts";
import type { Resolver } from "./resolver.ts";
import { connectTcp, lookUpAddresses } from "./tcp.ts";

/** One request to a server that somebody else names. */
export interface HttpsRequest {
  readonly host: string;
  readonly port: number;
  /** With its query. */
  readonly path: string;
  readonly method: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** More octets of an answer end it. */
  readonly maxBytes: number;
  /**
   * A stranger chose the host: then a name that the operator gave a private address is as forbidden
   * as the address itself.
   */
  readonly isStrangers?: boolean;
}

export interface HttpsClient {
  /** Never throws. Follows no redirect. The signal bounds all of it. */
  exchange(asked: HttpsRequest, signal: AbortSignal): Promise<HttpsOutcome>;
}

export type HttpsOutcome =
  | {
      readonly kind: "answered";
      readonly status: number;
      /** Lower case, without parameters; "" when it said none. */
      readonly contentType: string;
      readonly body: Buffer;
    }
  | {
      readonly kind: "failed";
      /** `certificate`: it could not show who it is. */
      readonly why: "address" | "connection" | "certificate" | "answer";
      readonly reason: string;
    };

export interface HttpsClientOptions {
  readonly resolver: Resolver;
  /** PEM; what a server's certificate may hang from. Default: the well-known authorities. */
  readonly authorities?: readonly string[];
  /**
   * Names whose addresses the operator gave: they may be private ones. Those of all others must be
   * public, so that nobody can make us speak to what only we can reach (threats.md W7).
   */
  readonly isOwnHost: (host: string) => boolean;
}

/** Over our own resolver: a name means the same here as everywhere else. */
export function createHttpsClient(options: HttpsClientOptions): HttpsClient {
  return {
    async exchange(asked, signal) {
      let why: Failure["why"] = "address";
      try {
        const addresses = await findAddresses(options, asked, signal);
        why = "connection";
        const socket = await connectAny(addresses, asked.port, signal);
        why = "certificate";
        const secured = await secure(socket, asked.host, options, signal);
        why = "answer";
        return await ask(secured, asked, signal);
      } catch (error) {
        if (why === "certificate" && !isAboutTrust(error)) why = "connection";
        return { kind: "failed", why, reason: errorText(signal.aborted ? signal.reason : error) };
      }
    },
  };
}

type Failure = HttpsOutcome & { readonly kind: "failed" };

async function findAddresses(
  { resolver, isOwnHost }: HttpsClientOptions,
  { host, isStrangers = false }: HttpsRequest,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const found = await lookUpAddresses(host, host, { resolver, signal });
  if (!isStrangers && isOwnHost(host)) return found;
  const open = found.filter(isPublicIp);
  if (open.length > 0) return open;
  throw new Unavailable(host, `its addresses are not public: ${found.join(", ")}`);
}

async function connectAny(addresses: readonly string[], port: number, signal: AbortSignal) {
  let failure: unknown;
  for (const host of addresses) {
    try {
      return await connectTcp({ host, port }, { signal });
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function secure(
  socket: Awaited<ReturnType<typeof connectTcp>>,
  servername: string,
  { authorities }: HttpsClientOptions,
  signal: AbortSignal,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const ca = authorities && { ca: [...authorities] };
    const secured = connect({ socket, servername, ...TRUST, ...ca });
    const fail = (error: unknown) => {
      signal.removeEventListener("abort", abort);
      secured.destroy();
      socket.destroy();
      reject(error);
    };
    const abort = () => fail(signal.reason);
    // Stays: an 'error' without a listener would end the process.
    secured.on("error", fail);
    socket.on("error", fail);
    secured.once("secureConnect", () => {
      signal.removeEventListener("abort", abort);
      resolve(secured);
    });
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}

/**
 * Said aloud, because the environment can turn it off (NODE_TLS_REJECT_UNAUTHORIZED). Only
 * alternative names count (RFC 8461 3.3, RFC 9525 2): Node would take a common name where there is none.
 */
const TRUST: ConnectionOptions = {
  minVersion: "TLSv1.2",
  rejectUnauthorized: true,
  checkServerIdentity(host, certificate) {
    if (/(?:^|, )DNS:/.test(certificate.subjectaltname ?? ""))
      return checkServerIdentity(host, certificate);
    return Object.assign(new Error("the certificate has no alternative name"), {
      code: "ERR_TLS_CERT_ALTNAME_INVALID",
    });
  },
};

/** OpenSSL's and Node's words for certificates; all else is a broken line. */
function isAboutTrust(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /CERT|ISSUER|SIGNATURE|ALTNAME|SELF_SIGNED|CRL|INVALID_CA|INVALID_PURPOSE/.test(code);
}

function ask(socket: TLSSocket, asked: HttpsRequest, signal: AbortSignal): Promise<HttpsOutcome> {
  const { host, port, path, method, headers, body, maxBytes } = asked;
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      signal.removeEventListener("abort", abort);
      socket.destroy();
      settle();
    };
    const fail = (error: unknown) => finish(() => reject(error));
    const abort = () => fail(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    socket.once("close", () => fail(new Error("the connection ended before the answer did")));
    const length = body && { "content-length": String(body.length) };
    const named = { host: port === HTTPS_PORT ? host : `${host}:${port}`, connection: "close" };
    const outgoing = request({
      createConnection: () => socket,
      path,
      method,
      headers: { ...headers, ...named, ...length },
    });
    outgoing.on("error", fail);
    outgoing.on("response", (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      incoming.on("error", fail);
      incoming.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxBytes) fail(new Error(`the answer is longer than ${maxBytes} octets`));
        else chunks.push(chunk);
      });
      incoming.on("end", () => {
        if (!incoming.complete) return fail(new Error("the answer was cut"));
        const { statusCode: status = 0 } = incoming;
        const [type = ""] = (incoming.headers["content-type"] ?? "").split(";");
        const contentType = type.trim().toLowerCase();
        finish(() =>
          resolve({ kind: "answered", status, contentType, body: Buffer.concat(chunks) }),
        );
      });
    });
    outgoing.end(body);
  });
}

const HTTPS_PORT = 443;
