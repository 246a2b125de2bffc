import assert from "node:assert/strict";
import { test } from "node:test";
import { RawClient } from "../support/raw-client.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { waitUntil } from "../support/wait-until.ts";
import { greet, openTransaction, withEdge } from "../support/with-edge.ts";

const HEADER_END = "\r\n\r\n";
const [HEADER = "", BODY = ""] = [
  SIMPLE_MESSAGE.slice(0, SIMPLE_MESSAGE.indexOf(HEADER_END) + 2),
  SIMPLE_MESSAGE.slice(SIMPLE_MESSAGE.indexOf(HEADER_END) + 2),
];

/** A line of exactly so many octets, CRLF included. */
function lineOf(octets: number, start = ""): string {
  return `${start}${"x".repeat(octets - start.length - 2)}\r\n`;
}

/** Text of exactly so many octets in lines that SMTP allows. */
function textOf(octets: number): string {
  const whole = Math.floor(octets / 1000) - 1;
  return lineOf(1000).repeat(whole) + lineOf(octets - 1000 * whole - 500) + lineOf(500);
}

async function finalOf(port: number, message: string, parameters?: string): Promise<string> {
  const order = { port, message, ...(parameters && { parameters }) };
  const { mail, final } = await sendMail(order);
  return (final ?? mail).text;
}

test("message.maxBytes holds to the octet, dots unstuffed", async () => {
  const limits = { message: { maxBytes: 100_000 } };
  await withEdge({ policies: { limits } }, async (edge, hub) => {
    const dots = SIMPLE_MESSAGE + ".\r\n".repeat(1000);
    const fits = dots + textOf(100_000 - dots.length);
    assert.equal(fits.length, 100_000);
    assert.match(await finalOf(edge.port, fits), /^250 2\.0\.0 /);
    assert.ok(hub.messages[0]?.data.toString("latin1").endsWith(fits));
    assert.match(await finalOf(edge.port, `${fits.slice(0, -2)}y\r\n`), /^552 5\.3\.4 .*\(ref /);
    assert.equal(hub.messages.length, 1);
  });
});

test("SIZE is refused over the limit, and a lie about it helps nobody", async () => {
  const limits = { message: { maxBytes: 100_000 } };
  await withEdge({ policies: { limits } }, async (edge, hub) => {
    assert.match(await finalOf(edge.port, SIMPLE_MESSAGE, "SIZE=100000"), /^250 /);
    for (const size of ["100001", "99999999999999999999"])
      assert.match(await finalOf(edge.port, SIMPLE_MESSAGE, `SIZE=${size}`), /^552 5\.3\.4 /);
    for (const size of ["-1", "1e3", "0x10", "", "100000000000000000000"])
      assert.match(await finalOf(edge.port, SIMPLE_MESSAGE, `SIZE=${size}`), /^501 /);
    const large = SIMPLE_MESSAGE + textOf(110_000);
    assert.match(await finalOf(edge.port, large, "SIZE=1"), /^552 5\.3\.4 /);
    assert.match(await finalOf(edge.port, SIMPLE_MESSAGE + textOf(50_000), "SIZE=1"), /^250 /);
    assert.equal(hub.messages.length, 2);
  });
});

test("a header section of message.headerBytes passes, an octet more does not", async () => {
  await withEdge({}, async (edge, hub) => {
    const room = 262_144 - HEADER.length;
    const lines = lineOf(900, "X-A: ").repeat(Math.floor(room / 900) - 1);
    const last = room - lines.length;
    const fits = HEADER + lines + lineOf(last, "X-B: ");
    assert.equal(fits.length, 262_144);
    assert.match(await finalOf(edge.port, fits + BODY), /^250 /);
    const over = `${fits.slice(0, -2)}y\r\n${BODY}`;
    assert.match(await finalOf(edge.port, over), /^550 5\.6\.0 .*\(ref /);
    assert.equal(hub.messages.length, 1);
  });
});

test("a thousand header lines pass, one more does not, folds counted", async () => {
  await withEdge({}, async (edge, hub) => {
    const own = HEADER.split("\r\n").length - 1;
    const fits =
      HEADER + "X:\r\n y\r\n".repeat((1000 - own) / 2) + ((1000 - own) % 2 ? "Z:\r\n" : "");
    assert.match(await finalOf(edge.port, fits + BODY), /^250 /);
    assert.match(await finalOf(edge.port, `${fits} z\r\n${BODY}`), /^550 5\.6\.0 /);
    assert.equal(hub.messages.length, 1);
  });
});

test("fifty hops pass, the fifty-first is a loop, however Received is written", async () => {
  await withEdge({}, async (edge, hub) => {
    const fifty = `${"Received: from a by b\r\n".repeat(48)}RECEIVED :x\r\nreceived\t:\r\n y\r\n`;
    assert.match(await finalOf(edge.port, fifty + SIMPLE_MESSAGE), /^250 /);
    for (const one of ["Received: x\r\n", "rEcEiVeD :x\r\n"])
      assert.match(await finalOf(edge.port, one + fifty + SIMPLE_MESSAGE), /^554 5\.4\.6 /);
    assert.match(await finalOf(edge.port, `${SIMPLE_MESSAGE}${fifty}${fifty}`), /^250 /);
    assert.equal(hub.messages.length, 2);
  });
});

test("a message that was here three times passes, one that comes a fourth time is a loop", async () => {
  await withEdge({}, async (edge, hub) => {
    const own = [
      "Received: from a by mx.example.org with ESMTP id 1; x\r\n",
      "RECEIVED : from b (by some)\r\n\tBY\r\n\tMX.example.org. (x (y)); x\r\n",
      "received:by mx.example.org\r\n",
    ].join("");
    const foreign = "Received: from mx.example.org (by mx.example.org) by mx.other.test\r\n";
    const passes = `${own}${foreign.repeat(4)}`;
    assert.match(await finalOf(edge.port, passes + SIMPLE_MESSAGE), /^250 /);
    const fourth = "Received: from c by mx.example.org;x\r\n";
    assert.match(await finalOf(edge.port, fourth + passes + SIMPLE_MESSAGE), /^554 5\.4\.6 /);
    assert.equal(hub.messages.length, 1);
  });
});

async function rcpts(client: RawClient, count: number): Promise<readonly number[]> {
  const codes: number[] = [];
  for (let i = 0; i < count; i++)
    codes.push((await client.say("RCPT TO:<alice@example.org>")).code);
  return codes;
}

test("recipients beyond the limit hear 452, and the message goes to those before it", async () => {
  await withEdge({ policies: { limits: { session: { recipients: 5 } } } }, async (edge, hub) => {
    const client = await openTransaction(edge, []);
    assert.deepEqual(await rcpts(client, 6), [250, 250, 250, 250, 250, 452]);
    await client.say("DATA");
    client.send(`${SIMPLE_MESSAGE}.\r\n`);
    assert.equal((await client.reply()).code, 250);
    client.destroy();
    assert.equal(hub.messages[0]?.recipients.length, 5);
  });
});

test("the transaction beyond the limit of a session is answered 421, and told as nothing", async () => {
  await withEdge({ policies: { limits: { session: { transactions: 3 } } } }, async (edge) => {
    const client = await greet(edge);
    for (let i = 0; i < 3; i++) {
      assert.equal((await client.say("MAIL FROM:<a@b.test>")).code, 250);
      await client.say("RSET");
    }
    assert.match((await client.say("MAIL FROM:<a@b.test>")).text, /^421 4\.7\.0 /);
    await edge.stop();
    assert.equal(edge.log.filter(({ event }) => event === "decided").length, 3);
  });
});

test("a client over its connections hears 421 at once, and takes no place by asking", async () => {
  const connections = { max: 5, perClient: 3, newPerClientPerMinute: 1000 };
  await withEdge({ policies: { limits: { connections } } }, async (edge) => {
    const open = [await greet(edge), await greet(edge), await greet(edge)];
    const refused = await Promise.all(
      Array.from({ length: 10 }, () => RawClient.open({ port: edge.port })),
    );
    for (const client of refused) assert.match((await client.reply()).text, /^421 4\.7\.0 /);
    const other = { port: edge.port, localAddress: "127.0.0.2", message: SIMPLE_MESSAGE };
    assert.equal((await sendMail(other)).final?.code, 250);
    await open[0]?.say("QUIT");
    open[0]?.destroy();
    await waitUntil(
      () => "the place of a client that left stays taken",
      () => sendMail({ port: edge.port, message: SIMPLE_MESSAGE }).catch(() => undefined),
    );
    for (const client of [...open, ...refused]) client.destroy();
  });
});
