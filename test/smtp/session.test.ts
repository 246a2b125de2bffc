import assert from "node:assert/strict";
import { test } from "node:test";
import { abandonOn } from "../../src/base/clock.ts";
import { createLog } from "../../src/base/log.ts";
import type { RawClient } from "../support/raw-client.ts";
import { createScriptedHandler, type Script } from "../support/scripted-handler.ts";
import { startEdge } from "../support/smtp-edge.ts";
import { waitUntil } from "../support/wait-until.ts";

async function inTransaction(client: RawClient): Promise<void> {
  await client.say("EHLO client.test");
  await client.say("MAIL FROM:<alice@client.test>");
  await client.say("RCPT TO:<bob@example.org>");
}

async function inData(client: RawClient): Promise<void> {
  await inTransaction(client);
  assert.equal((await client.say("DATA")).code, 354);
}

/** Never settles by itself; tells when it was entered. */
function gate<T>() {
  const entered = Promise.withResolvers<void>();
  const open = Promise.withResolvers<T>();
  return {
    entered: entered.promise,
    open: open.resolve,
    pass: () => {
      entered.resolve();
      return open.promise;
    },
  };
}

test("the handler is told what the client said, as it was said", async () => {
  const handler = createScriptedHandler({ offers: { dsn: true } });
  await using edge = await startEdge(handler);
  const client = await edge.greeted();
  const { lines } = await client.say("EHLO Client.Test");
  assert(lines.includes("DSN"));
  await client.say("MAIL FROM:<Alice@Client.test> BODY=8BITMIME SIZE=100 RET=HDRS ENVID=a+2Bb");
  await client.say('RCPT TO:<"B o b"@Example.ORG> NOTIFY=FAILURE,DELAY ORCPT=rfc822;bob@x.test');
  await client.say("DATA");
  assert.equal((await client.say("hi\r\n.")).code, 250);
  await client.say("QUIT");
  await client.closed();

  const [session] = handler.sessions;
  assert.equal(session?.client.ip, "127.0.0.1");
  assert.deepEqual(session?.helos, [{ verb: "EHLO", name: "Client.Test", tls: null }]);
  const [transaction] = handler.delivered();
  assert.deepEqual(transaction?.sender, {
    spoken: "Alice@Client.test",
    localPart: "Alice",
    domain: "client.test",
  });
  assert.deepEqual(transaction?.parameters, {
    body: "8bitmime",
    smtputf8: false,
    size: 100,
    ret: "HDRS",
    envid: "a+2Bb",
  });
  assert.deepEqual(transaction?.recipients, [
    {
      address: { spoken: '"B o b"@Example.ORG', localPart: '"B o b"', domain: "example.org" },
      notify: ["FAILURE", "DELAY"],
      orcpt: "rfc822;bob@x.test",
    },
  ]);
  assert.equal(Buffer.concat(transaction?.chunks ?? []).toString(), "hi\r\n");
});

test("what the hub cannot take is not offered, and not understood", async () => {
  const offers = { maxBytes: 500, eightBitMime: false, smtpUtf8: false };
  await using edge = await startEdge(createScriptedHandler({ offers }));
  const client = await edge.greeted();
  const { lines } = await client.say("EHLO client.test");
  assert.deepEqual(lines.slice(1), ["PIPELINING", "SIZE 500", "ENHANCEDSTATUSCODES", "STARTTLS"]);
  assert.equal((await client.say("MAIL FROM:<a@b.test> BODY=8BITMIME")).code, 555);
  assert.equal((await client.say("MAIL FROM:<a@b.test> SMTPUTF8")).code, 555);
  assert.equal((await client.say("MAIL FROM:<a@b.test> RET=FULL")).code, 555);
  assert.equal((await client.say("MAIL FROM:<a@b.test> ENVID=x")).code, 555);
  assert.equal((await client.say("MAIL FROM:<a@b.test> SIZE=501")).code, 552);
  assert.equal((await client.say("MAIL FROM:<a@b.test>")).code, 250);
  assert.equal((await client.say("RCPT TO:<b@example.org> NOTIFY=NEVER")).code, 555);
  assert.equal((await client.say("RCPT TO:<b@example.org> ORCPT=rfc822;b@x.test")).code, 555);
});

test("a refusal to connect is the only word and closes", async () => {
  const refusal = { code: 554, status: "7.1", text: "Not you" } as const;
  await using edge = await startEdge(createScriptedHandler({ connect: async () => refusal }));
  const client = await edge.open();
  assert.equal((await client.reply()).text, "554 5.7.1 Not you");
  assert.equal(await client.closed(), "");
});

test("whoever talks before the greeting is refused, and the session is still closed properly", async () => {
  const connecting = gate<null>();
  const handler = createScriptedHandler({ connect: connecting.pass });
  await using edge = await startEdge(handler);
  const client = await edge.open();
  await connecting.entered;
  client.send("E");
  assert.equal((await client.reply()).text.slice(0, 9), "554 5.5.0");
  assert.equal(await client.closed(), "");
  connecting.open(null);
  await waitUntil(
    () => "closed was not called",
    () => handler.sessions[0]?.closed ?? undefined,
  );
});

const FAILURES: readonly (readonly [name: string, script: Script, lines: readonly string[]])[] = [
  ["connect", { connect: fail }, []],
  ["helo", { helo: fail }, ["EHLO client.test"]],
  ["mail", { mail: fail }, ["EHLO client.test", "MAIL FROM:<a@b.test>"]],
  ["rcpt", { rcpt: fail }, ["EHLO client.test", "MAIL FROM:<a@b.test>", "RCPT TO:<x@y.test>"]],
  ["data", { data: fail }, ["EHLO client.test", "MAIL FROM:<>", "RCPT TO:<x@y.test>", "DATA"]],
  [
    "write",
    { write: fail },
    ["EHLO client.test", "MAIL FROM:<>", "RCPT TO:<x@y.test>", "DATA", "hi\r\n."],
  ],
  [
    "end",
    { end: fail },
    ["EHLO client.test", "MAIL FROM:<>", "RCPT TO:<x@y.test>", "DATA", "hi\r\n."],
  ],
];

function fail(): Promise<never> {
  return Promise.reject(new Error("a bug"));
}

for (const [name, script, lines] of FAILURES) {
  test(`a handler that fails in ${name} costs its session, not the process`, async () => {
    const log: string[] = [];
    const handler = createScriptedHandler(script);
    await using edge = await startEdge(handler, {
      log: createLog({ level: "info", format: "json", write: (line) => log.push(line) }),
    });
    const client = await edge.open();
    let reply = await client.reply();
    for (const line of lines) reply = await client.say(line);
    assert.equal(reply.text.slice(0, 9), "421 4.3.0");
    assert.equal(await client.closed(), "");
    const { event, stack } = JSON.parse(log[0] ?? "");
    assert.equal(event, "session-failed");
    assert.match(stack, /a bug\n.*at /s);
    assert.notEqual(handler.sessions[0]?.transactions[0]?.end, "open");
    if (name !== "connect") assert.equal(handler.sessions[0]?.closed, "fault");
  });
}

for (const phase of ["mail", "rcpt", "data"] as const) {
  test(`a client that leaves during ${phase} aborts the signal, and the transaction is ended once`, async () => {
    const waiting = Promise.withResolvers<AbortSignal>();
    const script: Script = {
      [phase]: async (...given: readonly unknown[]) => {
        const signal = given.at(-1);
        assert(signal instanceof AbortSignal);
        waiting.resolve(signal);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return null;
      },
    };
    const handler = createScriptedHandler(script);
    await using edge = await startEdge(handler);
    const client = await edge.greeted();
    client.send("EHLO client.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<x@y.test>\r\nDATA\r\n");
    await waiting.promise;
    client.socket.resetAndDestroy();
    const [session] = handler.sessions;
    await waitUntil(
      () => "closed was not called",
      () => session?.closed ?? undefined,
    );
    const end = session?.transactions[0]?.end;
    assert.equal(end, phase === "data" ? "gone" : "dropped");
  });
}

test("a call that gives up because the client left is no failure", async () => {
  const log: string[] = [];
  const waiting = Promise.withResolvers<void>();
  const handler = createScriptedHandler({
    mail: (_sender, signal) => {
      waiting.resolve();
      return abandonOn(signal, new Promise<never>(() => {}));
    },
  });
  await using edge = await startEdge(handler, {
    log: createLog({ level: "info", format: "json", write: (line) => log.push(line) }),
  });
  const client = await edge.greeted();
  client.send("EHLO client.test\r\nMAIL FROM:<>\r\n");
  await waiting.promise;
  client.socket.resetAndDestroy();
  const closed = await waitUntil(
    () => "closed was not called",
    () => handler.sessions[0]?.closed ?? undefined,
  );
  assert.equal(closed, "client left");
  assert.deepEqual(log, []);
});

test("a message is abandoned when the client leaves before its end", async () => {
  const handler = createScriptedHandler();
  await using edge = await startEdge(handler);
  const client = await edge.greeted();
  await inData(client);
  await client.sendNow("half a mess");
  client.socket.resetAndDestroy();
  const [session] = handler.sessions;
  await waitUntil(
    () => "closed was not called",
    () => session?.closed ?? undefined,
  );
  assert.equal(session?.transactions[0]?.end, "gone");
});

test("a message whose end was seen is taken although the client leaves", async () => {
  const ending = gate<{ code: 250; status: "0.0"; text: string }>();
  const handler = createScriptedHandler({ end: ending.pass });
  await using edge = await startEdge(handler);
  const client = await edge.greeted();
  await inData(client);
  client.send("hi\r\n.\r\n");
  await ending.entered;
  client.socket.resetAndDestroy();
  await waitUntil(
    () => "the server has not noticed",
    () => edge.counters.open() === 0 || undefined,
  );
  assert.equal(handler.sessions[0]?.closed, null);
  ending.open({ code: 250, status: "0.0", text: "OK" });
  await waitUntil(
    () => "closed was not called",
    () => handler.sessions[0]?.closed ?? undefined,
  );
  assert.equal(handler.delivered().length, 1);
});

test("octets that arrive while DATA is being decided are refused", async () => {
  const deciding = gate<null>();
  const handler = createScriptedHandler({ data: deciding.pass });
  await using edge = await startEdge(handler);
  const client = await edge.greeted();
  await inTransaction(client);
  client.send("DATA\r\n");
  await deciding.entered;
  await client.sendNow("Subject: too early\r\n");
  // The kernel has them; each turn of the loop lets the server read.
  for (let turn = 0; turn < 5; turn++) await new Promise((go) => setImmediate(go));
  deciding.open(null);
  assert.equal((await client.reply()).text.slice(0, 9), "554 5.5.0");
  assert.equal(await client.closed(), "");
  assert.deepEqual(
    handler.sessions[0]?.transactions.map(({ end }) => end),
    ["gone"],
  );
});

test("a refused DATA ends the transaction and the session goes on", async () => {
  const refusal = { code: 451, status: "7.1", text: "Later" } as const;
  const handler = createScriptedHandler({ data: async () => refusal });
  await using edge = await startEdge(handler);
  const client = await edge.greeted();
  await inTransaction(client);
  assert.equal((await client.say("DATA")).text, "451 4.7.1 Later");
  assert.equal((await client.say("DATA")).code, 503);
  assert.equal(handler.sessions[0]?.transactions[0]?.end, "dropped");
});

test("line endings are made CRLF when the sink asks for it", async () => {
  const handler = createScriptedHandler({ lineEndings: "normalise" });
  await using edge = await startEdge(handler);
  const client = await edge.greeted();
  await inData(client);
  assert.equal((await client.say("a\nb\rc\0\r\n.")).code, 250);
  assert.equal(Buffer.concat(handler.delivered()[0]?.chunks ?? []).toString(), "a\r\nb\r\nc\r\n");
});

test("a slow sink slows the client down and nothing is lost", async () => {
  const handler = createScriptedHandler({ write: () => new Promise((go) => setImmediate(go)) });
  await using edge = await startEdge(handler, { limits: { message: { maxBytes: 10_000_000 } } });
  const client = await edge.greeted();
  await client.say("EHLO client.test");
  const body = `Subject: x\r\n\r\n${`${"0123456789".repeat(7)}\r\n`.repeat(9000)}`;
  await client.say("MAIL FROM:<>");
  await client.say("RCPT TO:<bob@example.org>");
  await client.say("DATA");
  client.send(`${body}.\r\nNOOP\r\n`);
  assert.equal((await client.reply()).code, 250);
  assert.equal((await client.reply()).code, 250);
  assert.equal(Buffer.concat(handler.delivered()[0]?.chunks ?? []).toString(), body);
});
