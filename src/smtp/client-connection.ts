import type { TLSSocket } from "node:tls";
import { toCapabilities } from "./client-commands.ts";
import { runProbe } from "./client-probe.ts";
import type { ClientSession } from "./client-session.ts";
import type { ClientTimes } from "./client-times.ts";
import { runTransaction } from "./client-transaction.ts";
import type { SmtpConnection } from "./smtp-client.ts";

/** The contract over a session that stands. Owns the session. */
export function createClientConnection(session: ClientSession, times: ClientTimes): SmtpConnection {
  const capabilities = toCapabilities(session.ehloLines);
  let isBusy = false;
  const alone = async <T>(work: Promise<T>): Promise<T> => {
    isBusy = true;
    try {
      return await work;
    } finally {
      isBusy = false;
    }
  };
  const demandIdle = () => {
    if (isBusy) throw new Error("a transaction is running on this connection");
  };
  return {
    capabilities,
    tls: tlsOf(session),
    async send(envelope, source, onDot = () => {}) {
      demandIdle();
      return alone(runTransaction({ session, capabilities, times, envelope, source, onDot }));
    },
    async probe(sender, recipient) {
      demandIdle();
      return alone(runProbe(session, capabilities, times, sender, recipient));
    },
    usable: () => !isBusy && !session.isOver,
    async quit() {
      if (!isBusy) await session.exchange("QUIT", times.quitMs);
      session.close();
    },
    close: () => session.fail("closed by us"),
  };
}

function tlsOf(session: ClientSession): SmtpConnection["tls"] {
  if (!session.secure) return null;
  const socket = session._socket as TLSSocket;
  return { protocol: socket.getProtocol() ?? "unknown", cipher: socket.getCipher().standardName };
}
