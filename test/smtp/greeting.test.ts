import assert from "node:assert/strict";
import { test } from "node:test";
import {
  assertServed,
  assertTurnedAway,
  comeWith,
  countedIn,
  leave,
  PROXIES,
  PROXY_LOCAL,
  proxyV1,
  startProxiedEdge,
  TEASER,
} from "../support/proxied-edge.ts";
import type { RawClient } from "../support/raw-client.ts";
import type { Edge } from "../support/smtp-edge.ts";

const DELAYED = { rules: {}, limits: { session: { greetDelaySeconds: 6 } } };

async function teased(edge: Edge, localAddress = "127.0.0.1"): Promise<RawClient> {
  const client = await edge.open({ localAddress });
  assert.equal(await client.line(), TEASER);
  return client;
}

test("with a delay, a patient client gets the second line of the greeting in time, and is served", async () => {
  const { edge, clock, handler } = await startProxiedEdge(DELAYED);
  await using _ = edge;
  const client = await teased(edge);
  await clock.advance(5_999);
  assert.equal(client.pending, "");
  await clock.advance(1);
  await assertServed(client);
  assert.equal((await client.say("EHLO client.test")).code, 250);
  assert.equal(handler.sessions[0]?.helos.length, 1);
});

test("a client that says one octet too early is refused and gone", async () => {
  const { edge, clock, handler, counted } = await startProxiedEdge(DELAYED);
  await using _ = edge;
  const client = await teased(edge);
  client.send("E");
  await assertTurnedAway(client, "554 5.5.0 ");
  await countedIn(edge, 0);
  assert.equal(clock.pendingTimers(), 0);
  assert.deepEqual(handler.sessions[0]?.helos, []);
  assert.equal(await counted('postern_smtp_early_talkers_total{listener="internet"}'), 1);
});

test("who has waited once is not kept waiting again for a day", async () => {
  const { edge, clock } = await startProxiedEdge(DELAYED);
  await using _ = edge;
  const first = await teased(edge);
  await clock.advance(6_000);
  await assertServed(first);
  await leave(edge, first);
  const known = await edge.open();
  await assertServed(known);
  await leave(edge, known);
  await leave(edge, await teased(edge, "127.0.0.2"));
  await clock.advance(24 * 60 * 60 * 1000);
  await teased(edge);
});

test("behind a proxy the true client is known, and must wait again once it talked early", async () => {
  const { edge, clock } = await startProxiedEdge({ ...DELAYED, rules: { proxies: PROXIES } });
  await using _ = edge;
  const first = await comeWith(edge, proxyV1("192.0.2.1"));
  assert.equal(await first.line(), TEASER);
  await clock.advance(6_000);
  await assertServed(first);
  await leave(edge, first);

  const known = await comeWith(edge, proxyV1("192.0.2.1"));
  await assertServed(known);
  await leave(edge, known);
  const other = await comeWith(edge, proxyV1("192.0.2.2"));
  assert.equal(await other.line(), TEASER);
  await leave(edge, other);

  await assertTurnedAway(await comeWith(edge, `${proxyV1("192.0.2.1")}EHLO x\r\n`), "554 5.5.0 ");
  await countedIn(edge, 0);
  assert.equal(await (await comeWith(edge, proxyV1("192.0.2.1"))).line(), TEASER);
});

test("a proxy that comes for itself is not kept waiting", async () => {
  const { edge } = await startProxiedEdge({ ...DELAYED, rules: { proxies: PROXIES } });
  await using _ = edge;
  await assertServed(await comeWith(edge, PROXY_LOCAL));
  await assertServed(await comeWith(edge, "PROXY UNKNOWN\r\n"));
  await assertServed(await comeWith(edge, proxyV1("127.0.0.1")));
});
