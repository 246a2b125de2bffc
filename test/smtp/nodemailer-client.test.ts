import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import type { Envelope } from "../../src/mail/envelope.ts";
import { CLIENT_TIMES } from "../../src/smtp/client-times.ts";
import { afterwards } from "../support/afterwards.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import {
  addressOf as address,
  envelopeTo as envelope,
  openConnection as open,
} from "../support/client-connection.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { hubFor } from "../support/scripted-hub.ts";

const TEXT = "Subject: x\r\n\r\n.dot\r\n..\r\ntrailing \t\r\n\r\n";

test("the hub gets the envelope and the message octet for octet", async (t) => {
  const hub = await hubFor(t);
  const connection = await open(hub);
  const spoken = ['"odd > \\" local"@example.org', "a%b!c@EXAMPLE.org", "B@xn--bcher-kva.example"];
  const eightBit = Buffer.from(`${TEXT}\xff\x80\xe4\r\n`, "latin1");
  const sent: Envelope = { ...envelope(...spoken), mail: { body: "8bitmime", smtputf8: false } };
  const outcome = await connection.send(sent, toBytesSource(eightBit, 5));
  assert.equal(outcome.kind, "answered");
  const [message] = await hub.waitForMessages(1);
  assert.deepEqual(message?.recipients, spoken);
  const size = eightBit.length;
  assert.equal(message?.mailLine, `MAIL FROM:<from@example.org> SIZE=${size} BODY=8BITMIME`);
  assert.ok(message?.data.equals(eightBit));
  await connection.quit();
});

test("foreign addresses travel as UTF-8 with SMTPUTF8", async (t) => {
  const hub = await hubFor(t);
  const connection = await open(hub);
  await connection.send(envelope("käthe@bücher.example"), toBytesSource(TEXT));
  const [message] = await hub.waitForMessages(1);
  assert.deepEqual(message?.recipients, ["käthe@bücher.example"]);
  assert.match(message?.mailLine ?? "", / SMTPUTF8$/);
  connection.close();
});

test("each recipient has its own fate, in the order of the envelope", async (t) => {
  for (const capabilities of [["PIPELINING"], []]) {
    const hub = await hubFor(t, {
      capabilities,
      script: ({ step, line }) => {
        if (step !== "rcpt") return undefined;
        if (line.includes("<no@")) return "550-5.1.1 no\r\n550 5.1.1 such user";
        return line.includes("<late@") ? "450 4.2.0 busy" : undefined;
      },
    });
    const connection = await open(hub);
    const to = envelope("no@x", "yes@x", "late@x", "a@x\r\nRCPT TO:<evil@x>", "also@x");
    const outcome = await connection.send(to, toBytesSource(TEXT));
    assert.ok(outcome.kind === "answered");
    const kinds = outcome.fates.map((fate) => `${fate.kind} ${fate.reply.code}`);
    const expected = ["refused 550", "accepted 250", "later 450", "refused 553", "accepted 250"];
    assert.deepEqual(kinds, expected);
    assert.equal(outcome.fates[0]?.reply.text, "no such user");
    assert.deepEqual(hub.messages[0]?.recipients, ["yes@x", "also@x"]);
    assert.equal(hub.lines.filter((line) => line.includes("evil")).length, 0);
    connection.close();
  }
});

test("a refused MAIL is the fate of every recipient, even when the hub then closes", async (t) => {
  const hub = await hubFor(t, {
    script: ({ step }) => (step === "mail" ? { drop: true, reply: "552 5.3.4 large" } : undefined),
  });
  const connection = await open(hub);
  const outcome = await connection.send(envelope("a@x", "b@x"), toBytesSource(TEXT));
  assert.ok(outcome.kind === "answered");
  assert.deepEqual(
    outcome.fates.map((fate) => fate.reply.code),
    [552, 552],
  );
});

test("421 hands nothing over, wherever it is said", async (t) => {
  for (const step of ["mail", "rcpt", "data", "dot"] as const) {
    const script = (event: { step: string }) =>
      event.step === step ? { drop: true as const, reply: "421 4.3.2 going down" } : undefined;
    const hub = await hubFor(t, { script });
    const connection = await open(hub);
    const outcome = await connection.send(envelope("a@x"), toBytesSource(TEXT));
    assert.ok(outcome.kind === "unsent", step);
    assert.equal(outcome.reply?.code, 421);
    assert.equal(connection.usable(), false);
  }
});

test("a connection dropped before the dot hands nothing over", async (t) => {
  for (const step of ["mail", "rcpt", "data"] as const) {
    const script = (event: { step: string }) =>
      event.step === step ? { drop: true as const } : undefined;
    const hub = await hubFor(t, { script });
    const connection = await open(hub);
    let dots = 0;
    const outcome = await connection.send(envelope("a@x"), toBytesSource(TEXT), () => dots++);
    assert.equal(outcome.kind, "unsent", step);
    assert.equal(dots, 0);
  }
});

test("a connection dropped at 354 hands nothing over, also of a large message", async (t) => {
  const script = (event: { step: string }) =>
    event.step === "data" ? { drop: true as const, reply: "354 go" } : undefined;
  const hub = await hubFor(t, { script });
  const connection = await open(hub);
  const outcome = await connection.send(
    envelope("a@x"),
    toBytesSource("x".repeat(998).concat("\r\n").repeat(8000)),
  );
  assert.equal(outcome.kind, "unsent");
});

test("a connection dropped after the dot leaves the outcome uncertain", async (t) => {
  const script = (event: { step: string }) =>
    event.step === "dot" ? { drop: true as const } : undefined;
  const hub = await hubFor(t, { script });
  const connection = await open(hub);
  let dots = 0;
  const outcome = await connection.send(envelope("a@x"), toBytesSource(TEXT), () => dots++);
  assert.equal(outcome.kind, "uncertain");
  assert.equal(dots, 1);
});

test("a connection closed in the turn of the dot keeps the message, and nobody calls that unsent", async (t) => {
  const hub = await hubFor(t);
  const connection = await open(hub);
  const close = () => queueMicrotask(() => connection.close());
  const outcome = await connection.send(envelope("a@x"), toBytesSource(TEXT), close);
  assert.equal(outcome.kind, "uncertain");
  await hub.waitFor(() => hub.openConnections() === 0);
  assert.equal(hub.count("dot"), 0);
});

test("a hub that says goodbye with its 354 gets no message", async (t) => {
  const script = ({ step }: { step: string }) =>
    step === "data" ? { drop: true as const, reply: "354 go\r\n421 4.3.2 going down" } : undefined;
  const hub = await hubFor(t, { script });
  const connection = await open(hub);
  const outcome = await connection.send(envelope("a@x"), toBytesSource(TEXT));
  assert.notEqual(outcome.kind, "answered");
  await hub.waitFor(() => hub.openConnections() === 0);
  assert.equal(hub.count("dot"), 0);
});

test("the answer to DATA and to the dot speaks for those accepted before", async (t) => {
  for (const step of ["data", "dot"] as const) {
    const script = (event: { step: string }) => (event.step === step ? "554 5.6.0 no" : undefined);
    const hub = await hubFor(t, { script });
    const connection = await open(hub);
    const outcome = await connection.send(envelope("a@x", "b@x"), toBytesSource(TEXT));
    assert.ok(outcome.kind === "answered");
    assert.deepEqual(
      outcome.fates.map((fate) => `${fate.kind} ${fate.reply.status}`),
      ["refused 5.6.0", "refused 5.6.0"],
    );
    assert.ok(connection.usable());
    connection.close();
  }
});

test("a refusal in the middle of the message is heard, and 421 there hands nothing over", async (t) => {
  const rows = [
    ["552 5.3.4 too large", "refused"],
    ["452 4.3.1 full", "later"],
    ["421 4.3.2 going down", "unsent"],
  ] as const;
  for (const [words, expected] of rows) {
    const connection = await open(await interruptingServer(t, words));
    const large = toBytesSource("x".repeat(998).concat("\r\n").repeat(8000));
    const outcome = await connection.send(envelope("a@x"), large);
    const end = outcome.kind === "answered" ? outcome.fates[0]?.kind : outcome.kind;
    assert.equal(end, expected, words);
    assert.equal(connection.usable(), false);
  }
});

/** Says so, unasked, when the message begins. */
async function interruptingServer(t: TestContext, words: string): Promise<{ port: number }> {
  const server = createServer((socket) => {
    let isData = false;
    socket.on("error", () => {});
    socket.write("220 hub.test\r\n");
    socket.on("data", (chunk) => {
      const answer = isData ? words : chunk.toString().startsWith("DATA") ? "354 go" : "250 ok";
      isData ||= answer === "354 go";
      socket.write(`${answer}\r\n`);
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  afterwards(t, () => void server.close());
  return server.address() as AddressInfo;
}

test("DATA answered 250 is not taken for 354", async (t) => {
  const script = (event: { step: string }) => (event.step === "data" ? "250 sure" : undefined);
  const hub = await hubFor(t, { script });
  const connection = await open(hub);
  const outcome = await connection.send(envelope("a@x"), toBytesSource(TEXT));
  assert.equal(outcome.kind, "unsent");
  assert.equal(connection.usable(), false);
});

test("a source that fails in the middle never ends in a dot", async (t) => {
  const hub = await hubFor(t);
  const connection = await open(hub);
  const source = {
    size: 100,
    async *read() {
      yield Buffer.from("Subject: x\r\n\r\nhalf\r\n");
      throw new Error("disk");
    },
  };
  const outcome = await connection.send(envelope("a@x"), source);
  assert.deepEqual(outcome, { kind: "unsent", reason: "disk", reply: null });
  await hub.waitFor(() => hub.openConnections() === 0);
  assert.equal(hub.messages.length, 0);
});

test("a bare line feed is refused by us and never ends in a dot", async (t) => {
  const hub = await hubFor(t);
  const connection = await open(hub);
  const smuggled = toBytesSource("a\r\n\n.\r\nMAIL FROM:<e@x>\r\n");
  const outcome = await connection.send(envelope("a@x"), smuggled);
  assert.ok(outcome.kind === "answered");
  assert.equal(outcome.fates[0]?.kind, "refused");
  assert.equal(outcome.fates[0]?.reply.status, "5.6.11");
  await hub.waitFor(() => hub.openConnections() === 0);
  assert.equal(hub.messages.length, 0);
});

const STEPS = [
  ["mail", CLIENT_TIMES.mailMs],
  ["rcpt", CLIENT_TIMES.rcptMs],
  ["data", CLIENT_TIMES.dataStartMs],
  ["dot", 10 * 60_000],
] as const;

for (const [step, limitMs] of STEPS)
  test(`a hub that is silent at "${step}" is given up after the time that RFC 5321 grants`, async (t) => {
    const clock = createFakeClock();
    // Without PIPELINING each command comes when the answer before it has: its limit runs then.
    const hub = await hubFor(t, {
      capabilities: [],
      script: (event) => (event.step === step ? { hang: true } : undefined),
    });
    const connection = await open(hub, clock);
    let isSettled = false;
    const sending = connection.send(envelope("a@x"), toBytesSource(TEXT)).finally(() => {
      isSettled = true;
    });
    await hub.waitFor(() => hub.count(step) === 1);
    await clock.advance(limitMs - 1000);
    assert.equal(isSettled, false);
    await clock.advance(2000);
    assert.equal((await sending).kind, step === "dot" ? "uncertain" : "unsent");
  });

test("two messages and a probe share one connection", async (t) => {
  const script = ({ step, line }: { step: string; line: string }) =>
    step === "rcpt" && line.includes("nobody") ? "550 5.1.1 unknown" : undefined;
  const hub = await hubFor(t, { script });
  const connection = await open(hub);
  await connection.send(envelope("a@x"), toBytesSource(TEXT));
  const probe = await connection.probe(null, address("nobody@x"));
  assert.equal(probe.kind, "refused");
  assert.equal((await connection.probe(null, address("somebody@x"))).kind, "accepted");
  await connection.send(envelope("b@x"), toBytesSource(TEXT));
  assert.equal(hub.messages.length, 2);
  assert.equal(hub.connections, 1);
  assert.ok(hub.lines.includes("MAIL FROM:<>"));
  await connection.quit();
  assert.equal(hub.lines.at(-1), "QUIT");
});

test("a hub that refuses the null sender says nothing about the recipient", async (t) => {
  const script = ({ step }: { step: string }) => (step === "mail" ? "550 no bounces" : undefined);
  const hub = await hubFor(t, { script });
  const connection = await open(hub);
  const probe = await connection.probe(null, address("a@x"));
  assert.deepEqual(probe, { kind: "unsent", reason: "sender refused: 550 no bounces" });
  connection.close();
});

test("a second transaction on a busy connection is a bug that is told", async (t) => {
  const hub = await hubFor(t);
  const connection = await open(hub);
  const first = connection.send(envelope("a@x"), toBytesSource(TEXT));
  await assert.rejects(connection.send(envelope("b@x"), toBytesSource(TEXT)), /running/);
  assert.equal(connection.usable(), false);
  await first;
  connection.close();
});
