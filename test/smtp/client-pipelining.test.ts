import assert from "node:assert/strict";
import { test } from "node:test";
import { toBytesSource } from "../support/bytes-source.ts";
import { envelopeTo as envelope, openConnection as open } from "../support/client-connection.ts";
import { hubFor } from "../support/scripted-hub.ts";

const TEXT = "Subject: x\r\n\r\nx\r\n";

for (const capabilities of [["PIPELINING"], []])
  test(`when nobody is accepted nothing is sent, and the connection can go on (${capabilities})`, async (t) => {
    const hub = await hubFor(t, {
      capabilities,
      script: ({ step, count }) => (step === "rcpt" && count === 1 ? "550 no" : undefined),
    });
    const connection = await open(hub);
    const refused = await connection.send(envelope("a@x"), toBytesSource(TEXT));
    assert.ok(refused.kind === "answered");
    assert.equal(refused.fates[0]?.kind, "refused");
    assert.equal(refused.fates[0]?.reply.code, 550);
    assert.equal(hub.lines.includes("DATA"), capabilities.length > 0);
    assert.equal(hub.lines.at(-1), "RSET");
    assert.ok(connection.usable());
    await connection.send(envelope("b@x"), toBytesSource(TEXT));
    assert.deepEqual(
      hub.messages.map(({ recipients }) => recipients),
      [["b@x"]],
    );
    assert.equal(hub.connections, 1);
    connection.close();
  });

test("a server that says 354 although it accepted nobody gets no message, not even an empty one", async (t) => {
  for (const refuses of ["mail", "rcpt"]) {
    const hub = await hubFor(t, {
      script: ({ step }) => {
        if (step === refuses) return "450 4.2.0 not now";
        return step === "data" ? "354 go" : undefined;
      },
    });
    const connection = await open(hub);
    let dots = 0;
    const outcome = await connection.send(envelope("a@x"), toBytesSource(TEXT), () => dots++);
    assert.ok(outcome.kind === "answered");
    assert.equal(outcome.fates[0]?.kind, "later");
    assert.equal(connection.usable(), false);
    await hub.waitFor(() => hub.openConnections() === 0);
    assert.equal(dots, 0);
    assert.equal(hub.count("dot"), 0);
  }
});

test("DATA waits for the recipients of a server without PIPELINING", async (t) => {
  const spoken: string[] = [];
  const hub = await hubFor(t, {
    capabilities: [],
    script: ({ step }) => {
      spoken.push(`${step} after ${hub.lines.length} lines`);
      return undefined;
    },
  });
  const connection = await open(hub);
  await connection.send(envelope("a@x", "b@x"), toBytesSource(TEXT));
  // Had two lines come together, the hub would have had more of them at the step of the first.
  assert.deepEqual(spoken.slice(-5, -1), [
    "mail after 2 lines",
    "rcpt after 3 lines",
    "rcpt after 4 lines",
    "data after 5 lines",
  ]);
  connection.close();
});

test("a message in memory is sent as one that is read, also when its dots make it long", async (t) => {
  for (const text of [TEXT, ".\r\n".repeat(5000), ""]) {
    const hub = await hubFor(t);
    const connection = await open(hub);
    const octets = Buffer.from(text);
    const read = toBytesSource(octets);
    await connection.send(envelope("a@x"), { ...read, inMemory: () => [octets] });
    await connection.send(envelope("a@x"), read);
    const [first, second] = await hub.waitForMessages(2);
    assert.ok(first && second);
    assert.ok(first.wire.equals(second.wire));
    assert.equal(first.data.toString(), text);
    connection.close();
  }
});

test("a bare line feed in a message in memory is refused by us and never ends in a dot", async (t) => {
  const hub = await hubFor(t);
  const connection = await open(hub);
  const octets = Buffer.from("a\r\n\n.\r\nMAIL FROM:<e@x>\r\n");
  const smuggled = { ...toBytesSource(octets), inMemory: () => [octets] };
  const outcome = await connection.send(envelope("a@x"), smuggled);
  assert.ok(outcome.kind === "answered");
  assert.equal(outcome.fates[0]?.reply.status, "5.6.11");
  await hub.waitFor(() => hub.openConnections() === 0);
  assert.equal(hub.count("dot"), 0);
});
