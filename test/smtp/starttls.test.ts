import assert from "node:assert/strict";
import { test } from "node:test";
import type { RawClient } from "../support/raw-client.ts";
import { createScriptedHandler } from "../support/scripted-handler.ts";
import { startEdge } from "../support/smtp-edge.ts";

const INJECTED =
  "MAIL FROM:<evil@client.test>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nevil\r\n.\r\n";

/** Says EHLO inside TLS and returns what was answered to anything before. */
async function answersToInjection(client: RawClient): Promise<string> {
  assert.equal((await client.reply()).code, 220);
  assert.equal(client.pending, "");
  await client.secure();
  const { lines } = await client.say("EHLO client.test");
  assert(!lines.includes("STARTTLS"));
  const { code } = await client.say("RCPT TO:<bob@example.org>");
  assert.equal(code, 503);
  return client.pending;
}

for (let cut = 0; cut <= INJECTED.length; cut += 7) {
  test(`${cut} octets injected behind STARTTLS never run inside TLS`, async () => {
    const handler = createScriptedHandler();
    await using edge = await startEdge(handler);
    const client = await edge.greeted();
    await client.say("EHLO client.test");
    client.send(`STARTTLS\r\n${INJECTED.slice(0, cut)}`);
    assert.equal(await answersToInjection(client), "");
    assert.deepEqual(handler.sessions[0]?.transactions, []);
  });
}

test("a hundred pipelined commands behind STARTTLS do not outlive the handshake", async () => {
  const handler = createScriptedHandler();
  await using edge = await startEdge(handler);
  const client = await edge.greeted();
  await client.say("EHLO client.test");
  client.send(`STARTTLS\r\n${"MAIL FROM:<>\r\nRSET\r\n".repeat(3000)}`);
  assert.equal((await client.reply()).code, 220);
  // The raw octets that were not read yet are no TLS records: the handshake may fail, but nothing
  // of them may run.
  await client.secure().catch(() => {});
  assert.deepEqual(handler.sessions[0]?.transactions, []);
  client.destroy();
});

for (const version of ["TLSv1", "TLSv1.1"] as const) {
  test(`${version} is refused`, async () => {
    await using edge = await startEdge(createScriptedHandler());
    const client = await edge.greeted();
    await client.say("STARTTLS");
    const old = { minVersion: version, maxVersion: version, ciphers: "DEFAULT@SECLEVEL=0" };
    await assert.rejects(client.secure(old), /protocol version|alert|closed/i);
  });
}

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`${version} is spoken, and the handler is told`, async () => {
    const handler = createScriptedHandler();
    await using edge = await startEdge(handler);
    const client = await edge.greeted();
    await client.say("STARTTLS");
    const socket = await client.secure({ minVersion: version, maxVersion: version });
    await client.say("EHLO client.test");
    const cipher = socket.getCipher();
    assert.deepEqual(handler.sessions[0]?.helos[0]?.tls, {
      protocol: version,
      cipher: cipher.standardName,
    });
  });
}

test("a client cannot renegotiate", async () => {
  await using edge = await startEdge(createScriptedHandler());
  const client = await edge.greeted();
  await client.say("STARTTLS");
  const socket = await client.secure({ maxVersion: "TLSv1.2" });
  const error = await new Promise((resolve) => {
    socket.once("error", resolve);
    socket.renegotiate({}, resolve);
  });
  assert(error instanceof Error);
});

test("a certificate for the host name of the listener is shown", async () => {
  await using edge = await startEdge(createScriptedHandler());
  const client = await edge.greeted();
  await client.say("STARTTLS");
  const socket = await client.secure({ servername: "mx.test" });
  assert.equal(socket.getPeerCertificate().subject.CN, "mx.test");
});

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`a client that leaves at the end of its handshake (${version}) harms nobody`, async () => {
    await using edge = await startEdge(createScriptedHandler());
    for (let i = 0; i < 10; i++) {
      const client = await edge.greeted();
      await client.say("STARTTLS");
      await client.secure({ minVersion: version, maxVersion: version });
      client.destroy();
    }
    const next = await edge.greeted();
    assert.equal((await next.say("EHLO client.test")).code, 250);
  });
}
