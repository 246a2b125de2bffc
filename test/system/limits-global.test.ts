import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { after, afterEach, before, describe, test } from "node:test";
import { RawClient, type RawReply } from "../support/raw-client.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

// Every limit through the whole gateway, at n and at n + 1, with one process and with several. Each
// row has clients in every process, so that a limit counted in each process alone would show.

const MAX_BYTES = 65_536;
const LIMITS = {
  connections: { max: 24, perClient: 3, newPerClientPerMinute: 1000 },
  session: {
    transactions: 3,
    recipients: 5,
    errorsSoft: 3,
    errorsHard: 3,
    idleCommands: 6,
    commandBytes: 512,
  },
  message: { maxBytes: MAX_BYTES },
  listeners: {
    narrow: { connections: { max: 4 } },
    hurried: { connections: { perClient: 24, newPerClientPerMinute: 5 } },
  },
};
const IPV6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === "::1"),
);
const LISTENERS = [
  { name: "internet", listen: "127.0.0.1:0" },
  { name: "narrow", listen: "127.0.0.1:0" },
  { name: "hurried", listen: "127.0.0.1:0" },
  { name: "proxied", listen: "127.0.0.1:0", proxyProtocol: ["127.0.0.0/8"] },
  ...(IPV6 ? [{ name: "six", listen: "[::1]:0" }] : []),
];

/** Where a client comes from and where he goes. */
interface Way {
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
const at = (n: number): Way => ({ localAddress: `127.0.1.${n}` });
const six = (address: string): Way => ({ listener: "proxied", source: `2001:db8:0:${address}` });

const CONNECTION_ROWS: readonly ConnectionRow[] = [
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

async function sayAll(client: RawClient, lines: readonly string[]): Promise<readonly RawReply[]> {
  const replies: RawReply[] = [];
  for (const line of lines) replies.push(await client.say(line));
  return replies;
}

const repeat = (count: number, ...lines: readonly string[]): readonly string[] =>
  Array.from({ length: count }, () => lines).flat();
const noop = (octets: number): string => `NOOP ${"x".repeat(octets - "NOOP \r\n".length)}`;
const MAIL = "MAIL FROM:<carol@friend.test>";
const RCPT = "RCPT TO:<alice@example.org>";

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
const SESSION_ROWS: readonly SessionRow[] = [
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

for (const workers of [1, 2]) describe(`with workers: ${workers}`, () => testLimits(workers));

function testLimits(workers: number): void {
  let hub: ScriptedHub;
  let edge: TestGateway;
  let probes = 0;
  const clients: RawClient[] = [];

  before(async () => {
    hub = await startScriptedHub();
    edge = await startTestGateway({
      hubPort: hub.port,
      policies: { limits: LIMITS },
      settings: { workers, listeners: LISTENERS, metrics: { listen: "127.0.0.1:0" } },
    });
  });

  after(async () => {
    await edge?.remove();
    await hub?.close();
  });

  const knock = async ({ listener = "internet", localAddress, source }: Way) => {
    const { host, port } = edge.gateway.listeners.find(({ name }) => name === listener)!;
    const client = await RawClient.open({ host, port, ...(localAddress && { localAddress }) });
    clients.push(client);
    const family = source?.includes(":") ? "TCP6" : "TCP4";
    if (source) client.send(`PROXY ${family} ${source} ${source} 40000 25\r\n`);
    return { client, greeting: await client.reply() };
  };
  const enter = async (way: Way): Promise<RawClient> => {
    const { client, greeting } = await knock(way);
    assert.equal(greeting.code, 220, greeting.text);
    return client;
  };
  const enterAll = async (ways: readonly Way[]): Promise<readonly RawClient[]> => {
    const entered: RawClient[] = [];
    for (const way of ways) entered.push(await enter(way));
    return entered;
  };
  const gauge = async (name: string): Promise<number> => {
    const { host, port } = edge.gateway.status!;
    const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
  };
  const until = (name: string, value: number) =>
    waitUntil(
      () => `${name} does not become ${value}`,
      async () => ((await gauge(name)) === value ? true : undefined),
    );
  const processOf = async (client: RawClient): Promise<unknown> => {
    probes += 1;
    const own = `probe-${probes}@friend.test`;
    await sayAll(client, ["EHLO mail.friend.test", `MAIL FROM:<${own}>`, "RSET"]);
    return (await edge.waitForLog("decided", ({ sender }) => sender === own)).process;
  };
  const assertSpread = async (those: readonly RawClient[]) =>
    assert.equal(new Set(await Promise.all(those.map(processOf))).size, workers);

  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await until("postern_smtp_open_connections", 0);
  });

  for (const { limit, within, beyond, other, isFreed } of CONNECTION_ROWS)
    test(`${limit}: ${within.length} are served, the next hears 421`, async () => {
      const [first, ...rest] = await enterAll(within);
      assert.ok(first);
      await assertSpread([first, ...rest]);
      const { client, greeting } = await knock(beyond);
      assert.match(greeting.text, /^421 4\.7\.0 /);
      assert.equal(await client.closed(), "");
      if (other) await enter(other);
      if (isFreed) {
        first.destroy();
        await waitUntil(
          () => "the place of one who left stays taken",
          async () => ((await knock(beyond)).greeting.code === 220 ? true : undefined),
        );
      }
    });

  for (const { limit, within, allowed, beyond, answer } of SESSION_ROWS)
    test(`${limit} holds for a session in each process, at n and n + 1`, async () => {
      const sessions = await enterAll([at(60), at(61)]);
      await assertSpread(sessions);
      await Promise.all(
        sessions.map(async (client) => {
          for (const { text } of await within(client)) assert.match(text, allowed);
          assert.match((await beyond(client)).text, answer);
        }),
      );
    });

  test("under stress the sessions of every process have one error free, and after it more", async () => {
    const calm = await enterAll(Array.from({ length: 19 }, (_, i) => at(70 + (i % 8))));
    assert.equal(await gauge("postern_smtp_stress"), 0, "at 80 % it is not over it");
    const [a, b, c, d] = calm;
    assert.ok(a && b && c && d);
    await assertSpread([a, b]);
    assert.deepEqual(await errorsOf(a, 2), [503, 503]);
    // Whoever is greeted now was seated after his process had learnt of the stress.
    await enterAll([at(80), at(81)]);
    assert.equal(await gauge("postern_smtp_stress"), 1);
    assert.deepEqual(await errorsOf(a, 1), [421], "one who erred before has none left");
    assert.deepEqual(await Promise.all([errorsOf(b, 2), errorsOf(c, 2)]), [
      [503, 421],
      [503, 421],
    ]);
    assert.deepEqual(await errorsOf(d, 1), [503]);
    for (const client of calm.slice(4, 12)) client.destroy();
    await until("postern_smtp_stress", 0);
    const late = await enterAll([at(82), at(83)]);
    await assertSpread(late);
    assert.deepEqual(await errorsOf(d, 2), [503, 503]);
    for (const client of late) assert.deepEqual(await errorsOf(client, 4), [503, 503, 503, 421]);
  });
}

async function errorsOf(client: RawClient, count: number): Promise<readonly number[]> {
  return (await sayAll(client, repeat(count, RCPT))).map(({ code }) => code);
}
