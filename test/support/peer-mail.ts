/** The gateway takes mail for the peer's own domain as well: its bounces shall arrive. */
export function toPeerPolicies(hubPort: number): Readonly<Record<string, unknown>> {
  return {
    domains: {
      domains: {
        "example.org": { recipients: { list: ["alice@example.org"] } },
        "friend.test": { recipients: { list: ["carol@friend.test"] } },
      },
    },
    routing: {
      connectors: {
        hub: { domains: ["example.org", "friend.test"], smarthosts: [`127.0.0.1:${hubPort}`] },
      },
    },
  };
}

/** What sending and receiving programs are known to change: dots, blanks, long lines, octets. */
export const PEER_BODY: Buffer = Buffer.from(
  [
    "Hello Alice",
    ".",
    "..",
    ". a dot and more",
    "From here it is no new message",
    "blanks at the end   ",
    "\ttabs\t",
    "=20 is not a blank",
    `${"x".repeat(990)}`,
    "caf\xc3\xa9 in UTF-8, \xe9 in Latin-1, \xff alone",
    "",
    "",
    "the end",
    ".",
    "",
    "",
  ].join("\r\n"),
  "latin1",
);

/** What our Received field says of the way a message came (RFC 3848). */
export function receivedOver({ tls }: { readonly tls: boolean }): RegExp {
  return tls ? /^Received: [^;]*\bwith\s+ESMTPS\b/ : /^Received: [^;]*\bwith\s+ESMTP\b/;
}
