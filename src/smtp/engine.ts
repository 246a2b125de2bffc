import { constants, randomBytes, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { SMTPServer } from "smtp-server";
import type { Certificate } from "./certificate.ts";
import type { ListenerTls, TlsSource } from "./listener-tls.ts";

/**
 * Forward secrecy and no static RSA (its padding oracles). CBC stays at the end: a mail server that
 * has nothing better would send in the clear instead.
 */
const CIPHERS = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
  "ECDHE+AESGCM",
  "ECDHE+CHACHA20",
  "DHE+AESGCM",
  "ECDHE+AES",
  "!aNULL",
  "!eNULL",
  "!PSK",
].join(":");

/**
 * smtp-server without a listening socket: the listener accepts and counts, and gives each socket to
 * an EdgeConnection. The engine keeps the TLS contexts that upgrades use; a change of `source` holds
 * for the next handshake, and sessions live on under the contexts they began with.
 */
export function createEngine(source: TlsSource): SMTPServer {
  const { clients } = source.current();
  const engine = new SMTPServer({
    ...contextOptions(source.current()),
    // Judged after the handshake, so that a refusal can be told and logged.
    ...(clients && { requestCert: true, rejectUnauthorized: false }),
    logger: false,
  });
  source.onChange((tls) => engine.updateSecureContext(contextOptions(tls)));
  return engine;
}

function contextOptions(tls: ListenerTls) {
  const { key, cert } = tls.own;
  const shared = sharedOptions(tls);
  return { ...shared, key, cert, SNICallback: chooseByName(tls, shared) };
}

/** Of every context of a listener: a name must not lead to another trust in clients. */
function sharedOptions({ clients }: ListenerTls) {
  const options = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE;
  return {
    // smtp-server's default is TLS 1.0, with renegotiation (threats.md P12).
    minVersion: "TLSv1.2" as const,
    ciphers: CIPHERS,
    // A ticket would carry what a client has proved once into later sessions, past the end of its
    // certificate and past a change of trust.
    secureOptions: clients ? options | constants.SSL_OP_NO_TICKET : options,
    // smtp-server gives all listeners of a process the same one.
    sessionIdContext: randomBytes(16).toString("hex"),
    ...(clients?.ca && { ca: clients.ca }),
  };
}

type Choose = (
  name: string,
  done: (error: Error | null, context?: SecureContext | undefined) => void,
) => void;

/** The first certificate that is for the name a client asks for; none: the listener's own. */
function chooseByName(tls: ListenerTls, shared: ReturnType<typeof sharedOptions>): Choose {
  const own = new X509Certificate(tls.own.cert);
  const others = tls.also.map(({ cert, key }: Certificate) => ({
    leaf: new X509Certificate(cert),
    context: createSecureContext({ ...shared, cert, key }),
  }));
  return (name, done) => {
    const isOwn = own.checkHost(name) !== undefined;
    const other = others.find(({ leaf }) => leaf.checkHost(name) !== undefined);
    done(null, isOwn ? undefined : other?.context);
  };
}
