import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PROXY_HEADER_MS } from "../../src/smtp/proxied-arrival.ts";
import {
  assertServed,
  assertTurnedAway,
  comeWith,
  countedIn,
  outcome,
  PROXIES,
  PROXY_LOCAL,
  proxyV1,
  proxyV2,
  ranges,
  startProxiedEdge,
  TEASER,
} from "../support/proxied-edge.ts";

describe("behind a proxy", () => {
  for (const [version, header] of [
    [1, proxyV1],
    [2, proxyV2],
  ] as const) {
    test(`of version ${version} the true client is limited and told to the session`, async () => {
      const { edge, handler, counted } = await startProxiedEdge({
        limits: { connections: { perClient: 1 } },
      });
      await using _ = edge;
      await assertServed(await comeWith(edge, header("192.0.2.1", 1001)));
      await assertTurnedAway(await comeWith(edge, header("192.0.2.1", 1002)), "421 4.7.0 ");
      await assertServed(await comeWith(edge, header("192.0.2.2", 1003)));
      await assertServed(await comeWith(edge, header("2001:db8::1", 1004)));
      // One line of the internet has a /64 (threats.md R2).
      await assertTurnedAway(await comeWith(edge, header("2001:db8::2", 1005)), "421 4.7.0 ");
      assert.deepEqual(
        handler.sessions.map(({ client }) => [client.ip, client.port, client.via]),
        [
          ["192.0.2.1", 1001, "127.0.0.1"],
          ["192.0.2.2", 1003, "127.0.0.1"],
          ["2001:db8::1", 1004, "127.0.0.1"],
        ],
      );
      assert.equal(await counted(outcome("accepted")), 3);
      assert.equal(await counted(outcome("too-many-of-client")), 2);
    });
  }

  test("one client may come only so often a minute, another still may", async () => {
    const { edge, clock } = await startProxiedEdge({
      limits: { connections: { newPerClientPerMinute: 1 } },
    });
    await using _ = edge;
    (await comeWith(edge, proxyV1("192.0.2.1"))).destroy();
    await countedIn(edge, 0);
    await assertTurnedAway(await comeWith(edge, proxyV1("192.0.2.1")), "421 4.7.0 ");
    await assertServed(await comeWith(edge, proxyV1("192.0.2.2")));
    await clock.advance(60_000);
    await assertServed(await comeWith(edge, proxyV1("192.0.2.1")));
  });

  test("a health check is a session of the proxy itself", async () => {
    const { edge, handler } = await startProxiedEdge();
    await using _ = edge;
    const check = await comeWith(edge, PROXY_LOCAL);
    await assertServed(check);
    assert.equal((await check.say("QUIT")).code, 221);
    const [seen] = handler.sessions;
    assert.deepEqual([seen?.client.ip, seen?.client.via], ["127.0.0.1", undefined]);
    assert.equal(seen?.client.port, check.socket.localPort);
  });

  test("a header may come octet by octet, and the client is served as any other", async () => {
    const { edge, handler } = await startProxiedEdge();
    await using _ = edge;
    const client = await edge.open();
    for (const octet of proxyV2("192.0.2.1")) await client.sendNow(Buffer.of(octet));
    await assertServed(client);
    assert.equal((await client.say("EHLO client.test")).code, 250);
    assert.equal(handler.sessions[0]?.client.ip, "192.0.2.1");
    assert.equal(handler.sessions[0]?.helos[0]?.name, "client.test");
  });

  test("what comes with the header is the client's word, spoken too early", async () => {
    const { edge, counted } = await startProxiedEdge({
      limits: { session: { greetDelaySeconds: 6 } },
    });
    await using _ = edge;
    const client = await comeWith(edge, `${proxyV1("192.0.2.1")}EHLO client.test\r\n`);
    await assertTurnedAway(client, "554 5.5.0 ");
    assert.equal(await counted('postern_smtp_early_talkers_total{listener="internet"}'), 1);
  });

  for (const [title, begun] of [
    ["that sends nothing", ""],
    ["that begins a header and does not end it", "PROXY TCP4 192.0."],
  ] as const) {
    test(`a peer ${title} is cut off after five seconds without a word`, async () => {
      const { edge, clock, handler, counted } = await startProxiedEdge();
      await using _ = edge;
      const client = await comeWith(edge, begun);
      await countedIn(edge, 1);
      await clock.advance(PROXY_HEADER_MS - 1);
      assert.equal(edge.counters.open(), 1);
      assert.equal(client.isClosed, false);
      await clock.advance(1);
      assert.equal(await client.closed(), "");
      assert.equal(edge.counters.open(), 0);
      assert.equal(clock.pendingTimers(), 0);
      assert.equal(handler.sessions.length, 0);
      assert.equal(await counted(outcome("no-proxy-header")), 1);
    });
  }

  test("a peer that speaks SMTP instead of PROXY is cut off at once without a word", async () => {
    const { edge, handler } = await startProxiedEdge();
    await using _ = edge;
    assert.equal(await (await comeWith(edge, "EHLO client.test\r\n")).closed(), "");
    assert.equal(edge.counters.open(), 0);
    assert.equal(handler.sessions.length, 0);
  });

  test("a peer that leaves before its header is counted off", async () => {
    const { edge, clock } = await startProxiedEdge();
    await using _ = edge;
    const client = await comeWith(edge, "PROXY ");
    await countedIn(edge, 1);
    client.destroy();
    await countedIn(edge, 0);
    assert.equal(clock.pendingTimers(), 0);
  });

  test("closing the listener cuts off whoever has yet to send a header", async () => {
    const { edge } = await startProxiedEdge();
    const client = await comeWith(edge, "PROXY ");
    await countedIn(edge, 1);
    await edge[Symbol.asyncDispose]();
    assert.equal(await client.closed(), "");
    assert.equal(edge.counters.open(), 0);
  });
});

describe("a forged PROXY header of a peer that is no proxy", () => {
  for (const [version, header] of [
    [1, proxyV1("10.1.0.25")],
    [2, proxyV2("10.1.0.25")],
  ] as const) {
    test(`is refused, of version ${version}, and nobody becomes whom it names`, async () => {
      const { edge, handler } = await startProxiedEdge();
      await using _ = edge;
      const client = await edge.open({ localAddress: "127.0.0.2" });
      await assertServed(client);
      client.send(header);
      await assertTurnedAway(client, "5");
      assert.equal(handler.sessions.length, 1);
      assert.equal(handler.sessions[0]?.client.ip, "127.0.0.2");
      assert.equal(handler.sessions[0]?.client.via, undefined);
      assert.deepEqual(handler.sessions[0]?.helos, []);
    });
  }

  test("is early talk when it comes before the greeting", async () => {
    const { edge } = await startProxiedEdge({ limits: { session: { greetDelaySeconds: 6 } } });
    await using _ = edge;
    const client = await edge.open({ localAddress: "127.0.0.2" });
    assert.equal(await client.line(), TEASER);
    client.send(proxyV1("10.1.0.25"));
    await assertTurnedAway(client, "554 5.5.0 ");
  });
});

describe("a listener for some networks only", () => {
  test("refuses clients from elsewhere by name and serves those within", async () => {
    const { edge, handler, counted } = await startProxiedEdge({
      rules: { from: ranges("127.0.0.8/29") },
    });
    await using _ = edge;
    const stranger = await edge.open({ localAddress: "127.0.0.7" });
    await assertTurnedAway(stranger, "554 5.7.1 mx.test is not for clients at 127.0.0.7");
    await assertServed(await edge.open({ localAddress: "127.0.0.9" }));
    assert.equal(handler.sessions.length, 1);
    assert.equal(await counted(outcome("not-allowed")), 1);
    await countedIn(edge, 1);
  });

  test("asks for the true address, not for the proxy's", async () => {
    const from = ranges("10.1.0.0/16");
    const { edge } = await startProxiedEdge({ rules: { proxies: PROXIES, from } });
    await using _ = edge;
    await assertServed(await comeWith(edge, proxyV2("10.1.2.3")));
    await assertTurnedAway(
      await comeWith(edge, proxyV2("192.0.2.1")),
      "554 5.7.1 mx.test is not for",
    );
    await assertTurnedAway(await comeWith(edge, PROXY_LOCAL), "554 5.7.1 mx.test is not for");
  });
});
