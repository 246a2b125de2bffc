import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import {
  at,
  CONNECTION_ROWS,
  IPV6,
  MAX_BYTES,
  RCPT,
  repeat,
  SESSION_ROWS,
  sayAll,
  type Way,
} from "../support/limit-rows.ts";
import { RawClient } from "../support/raw-client.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

// The rows of limits with one process and with several.

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
const LISTENERS = [
  { name: "internet", listen: "127.0.0.1:0" },
  { name: "narrow", listen: "127.0.0.1:0" },
  { name: "hurried", listen: "127.0.0.1:0" },
  { name: "proxied", listen: "127.0.0.1:0", proxyProtocol: ["127.0.0.0/8"] },
  ...(IPV6 ? [{ name: "six", listen: "[::1]:0" }] : []),
];

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

for (const workers of [1, 2]) describe(`with workers: ${workers}`, () => testLimits(workers));
