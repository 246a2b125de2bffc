import { networkInterfaces } from "node:os";
import type { RawClient, RawReply } from "./raw-client.ts";

// Every limit through the whole gateway, at n and at n + 1. Each row has clients in every process, so
// that a limit counted in each process alone would show.

export const MAX_BYTES = 65_536;
export const IPV6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === "::1"),
);

/** Where a client comes from and where he goes. */
export interface Way {
  readonly listener?: string;
  readonly localAddress?: string;
  /** What the proxy before him says he is. */
  readonly source?: string;
}

interface ConnectionRow {
  readonly limit: string;
  /** As many as the limit permits, in the order in which they come. */
  readonly within: readonly Way[];
  readonly beyond: Way;
  /** Has a place nevertheless. */
  readonly other?: Way;
  /** Whether one that leaves makes room. */
  readonly isFreed: boolean;
}

const times = (count: number, way: Way): readonly Way[] => Array.from({ length: count }, () => way);
export const at = (n: number): Way => ({ localAddress: `127.0.1.${n}` });
const six = (address: string): Way => ({
  listener: "proxied",
  source: `2001:db8:0:${address}`,
});

export const CONNECTION_ROWS: readonly ConnectionRow[] = [
  {
    limit: "connections.max",
    within: Array.from({ length: 24 }, (_, i) => at(1 + (i % 8))),
    beyond: at(20),
    isFreed: true,
  },
  {
    limit: "connections.perClient of an IPv4 address",
    within: times(3, at(30)),
    beyond: at(30),
    other: at(31),
    isFreed: true,
  },
  {
    limit: "connections.perClient over several listeners",
    within: [at(32), { ...at(32), listener: "narrow" }, at(32)],
    beyond: { ...at(32), listener: "narrow" },
    other: { ...at(33), listener: "narrow" },
    isFreed: true,
  },
  {
    limit: "connections.perClient behind a proxy, over it and beside it",
    within: [...times(2, { listener: "proxied", source: "127.0.1.34" }), at(34)],
    beyond: { listener: "proxied", source: "127.0.1.34" },
    other: { listener: "proxied", source: "127.0.1.35" },
    isFreed: true,
  },
  {
    limit: "connections.perClient of an IPv6 /64",
    within: [six("1::a"), six("1::b"), six("1:ffff::c")],
    beyond: six("1:abcd::1"),
    other: six("2::a"),
    isFreed: true,
  },
  ...(IPV6
    ? [
        {
          limit: "connections.perClient of the IPv6 loopback",
          within: times(3, { listener: "six" }),
          beyond: { listener: "six" },
          other: at(36),
          isFreed: true,
        },
      ]
    : []),
  {
    limit: "connections.max of a listener",
    within: [40, 41, 40, 41].map((n) => ({ ...at(n), listener: "narrow" })),
    beyond: { ...at(42), listener: "narrow" },
    other: at(42),
    isFreed: true,
  },
  {
    limit: "connections.newPerClientPerMinute",
    within: times(5, { ...at(50), listener: "hurried" }),
    beyond: { ...at(50), listener: "hurried" },
    other: { ...at(51), listener: "hurried" },
    isFreed: false,
  },
];

interface SessionRow {
  readonly limit: string;
  /** All that the limit permits; each reply must be of this class. Nobody has said MAIL yet. */
  readonly within: (client: RawClient) => Promise<readonly RawReply[]>;
  readonly allowed: RegExp;
  readonly beyond: (client: RawClient) => Promise<RawReply>;
  readonly answer: RegExp;
}

export async function sayAll(
  client: RawClient,
  lines: readonly string[],
): Promise<readonly RawReply[]> {
  const replies: RawReply[] = [];
  for (const line of lines) replies.push(await client.say(line));
  return replies;
}

export const repeat = (count: number, ...lines: readonly string[]): readonly string[] =>
  Array.from({ length: count }, () => lines).flat();
const noop = (octets: number): string => `NOOP ${"x".repeat(octets - "NOOP \r\n".length)}`;
const MAIL = "MAIL FROM:<carol@friend.test>";
export const RCPT = "RCPT TO:<alice@example.org>";

async function sendOctets(client: RawClient, octets: number): Promise<RawReply> {
  const header = "From: <carol@friend.test>\r\nSubject: Hello\r\n\r\n";
  const lines = "x"
    .repeat(62)
    .concat("\r\n")
    .repeat(Math.floor((octets - header.length) / 64) - 1);
  const last = octets - header.length - lines.length;
  await sayAll(client, [MAIL, RCPT, "DATA"]);
  client.send(`${header}${lines}${"x".repeat(last - 2)}\r\n.\r\n`);
  return client.reply();
}

// What tells the process of a client has taken a transaction, its EHLO and RSET two idle commands.
export const SESSION_ROWS: readonly SessionRow[] = [
  {
    limit: "session.recipients",
    within: (client) => sayAll(client, [MAIL, ...repeat(5, RCPT)]),
    allowed: /^250 /,
    beyond: (client) => client.say(RCPT),
    answer: /^452 4\.5\.3 /,
  },
  {
    limit: "session.transactions",
    within: (client) => sayAll(client, repeat(2, MAIL, "RSET")),
    allowed: /^250 /,
    beyond: (client) => client.say(MAIL),
    answer: /^421 4\.7\.0 /,
  },
  {
    limit: "session.errorsHard",
    within: (client) => sayAll(client, repeat(3, RCPT)),
    allowed: /^503 5\.5\.1 /,
    beyond: (client) => client.say(RCPT),
    answer: /^421 4\.7\.0 /,
  },
  {
    limit: "session.idleCommands",
    within: (client) => sayAll(client, repeat(4, "NOOP")),
    allowed: /^250 /,
    beyond: (client) => client.say("NOOP"),
    answer: /^421 4\.7\.0 /,
  },
  {
    limit: "session.commandBytes",
    within: (client) => sayAll(client, [noop(512)]),
    allowed: /^250 /,
    beyond: (client) => client.say(noop(513)),
    answer: /^500 5\.5\.2 /,
  },
  {
    limit: "message.maxBytes",
    within: async (client) => [await sendOctets(client, MAX_BYTES)],
    allowed: /^250 2\.0\.0 /,
    beyond: (client) => sendOctets(client, MAX_BYTES + 1),
    answer: /^552 5\.3\.4 /,
  },
];
