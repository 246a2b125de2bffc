import type { MailPeer, PeerOptions } from "./mail-peer.ts";
import { startPostfixHub } from "./postfix-hub.ts";
import { sendMail } from "./send-mail.ts";
import { waitUntil } from "./wait-until.ts";

/** Postfix that has no mailboxes and sends all to the gateway. */
export async function startPostfixPeer({
  gatewayPort,
  tls,
  login,
}: PeerOptions): Promise<MailPeer> {
  const server = await startPostfixHub({
    domains: [],
    main: {
      myhostname: "postfix.friend.test",
      relayhost: `[127.0.0.1]:${gatewayPort}`,
      mynetworks: "127.0.0.0/8",
      smtpd_relay_restrictions: "permit_mynetworks, reject",
      smtp_tls_security_level: tls ? "encrypt" : "none",
      ...(login && toSasl(`[127.0.0.1]:${gatewayPort}`, login)),
      // It tries again by itself and soon.
      queue_run_delay: "1s",
      minimal_backoff_time: "1s",
      maximal_backoff_time: "2s",
    },
  });
  return {
    async submit({ from, to, message }) {
      const order = { port: server.port, from, to: [to], message, parameters: "BODY=8BITMIME" };
      const { final } = await sendMail(order);
      if (final?.code !== 250) throw new Error(`Postfix refuses: ${final?.text}`);
    },
    async waitUntilKept() {
      let log = "";
      await waitUntil(
        () => `Postfix has kept nothing: ${log}`,
        async () => {
          log = await server.log();
          return log.includes("status=deferred") || undefined;
        },
      );
    },
    retry: () => Promise.resolve(),
    stop: () => server.stop(),
  };
}

function toSasl(
  next: string,
  { name, password }: NonNullable<PeerOptions["login"]>,
): Readonly<Record<string, string>> {
  return {
    smtp_sasl_auth_enable: "yes",
    smtp_sasl_password_maps: `inline:{ { ${next} = ${name}:${password} } }`,
    smtp_sasl_security_options: "noanonymous",
  };
}
