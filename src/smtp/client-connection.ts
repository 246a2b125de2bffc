import { toCapabilities } from "./client-commands.ts";
import { runProbe } from "./client-probe.ts";
import type { ClientSession } from "./client-session.ts";
import type { ClientTimes } from "./client-times.ts";
import { runTransaction } from "./client-transaction.ts";
import type { RemoteTls } from "./remote-tls.ts";
import type { SmtpConnection } from "./smtp-client.ts";

/** What was found out while the session was made. */
export interface Established {
  readonly tls: RemoteTls | null;
  readonly address: string;
  readonly ownAddress?: string;
}

/** The contract over a session that stands. Owns the session. */
export function createClientConnection(
  session: ClientSession,
  times: ClientTimes,
  established: Established,
): SmtpConnection {
  const capabilities = toCapabilities(session.ehloLines);
  let isBusy = false;
  const alone = async <T>(work: () => Promise<T>): Promise<T> => {
    if (isBusy) throw new Error("a transaction is running on this connection");
    isBusy = true;
    try {
      return await work();
    } finally {
      isBusy = false;
    }
  };
  return {
    capabilities,
    ...established,
    send: (envelope, source, onDot = () => {}) =>
      alone(() => runTransaction({ session, capabilities, times, envelope, source, onDot })),
    probe: (sender, recipient) =>
      alone(() => runProbe(session, capabilities, times, sender, recipient)),
    usable: () => !isBusy && !session.isOver,
    async quit() {
      if (!isBusy) await session.exchange("QUIT", times.quitMs);
      session.close();
    },
    close: () => session.fail("closed by us"),
  };
}
