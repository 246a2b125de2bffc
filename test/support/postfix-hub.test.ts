import assert from "node:assert/strict";
import { test } from "node:test";
import SMTPConnection from "nodemailer/lib/smtp-connection/index.js";
import { bodyOf, noPostfix, startPostfixHub } from "./postfix-hub.ts";

const AWKWARD_BODY = Buffer.concat([
  Buffer.from(`dots\r\n.\r\n..\r\n.x\r\nblanks  \t\r\n${"long ".repeat(2000)}\r\nFrom here\r\n`),
  Buffer.from([0xe4, 0xff, 0x80, 0x0d, 0x0a]),
  Buffer.from("\r\n\r\nlast line\r\n"),
]);
const HEADER = Buffer.from("Subject: hello\r\nFrom: a@out.test\r\n\r\n");

function send(port: number, to: readonly string[], message: Buffer): Promise<unknown> {
  const connection = new SMTPConnection({ port, host: "127.0.0.1", ignoreTLS: true });
  return new Promise((resolve, reject) => {
    connection.on("error", reject);
    connection.connect(() => {
      const envelope = { from: "a@out.test", to: [...to], use8BitMime: true };
      connection.send(envelope, message, (error, info) => {
        connection.quit();
        if (error) reject(error);
        else resolve(info);
      });
    });
  });
}

test("the Postfix hub keeps a body octet for octet", { skip: noPostfix() }, async () => {
  const hub = await startPostfixHub({ domains: ["in.test"] });
  try {
    await send(hub.port, ["b@in.test", "c@in.test"], Buffer.concat([HEADER, AWKWARD_BODY]));
    const messages = await hub.waitForMessages(2);
    assert.deepEqual(messages.map(({ recipient }) => recipient).sort(), ["b@in.test", "c@in.test"]);
    for (const { sender, raw } of messages) {
      assert.equal(sender, "a@out.test");
      assert.deepEqual(bodyOf(raw), AWKWARD_BODY);
    }
  } finally {
    await hub.stop();
  }
});

test("the Postfix hub refuses whom it does not know", { skip: noPostfix() }, async () => {
  const hub = await startPostfixHub({ domains: ["in.test"], recipients: ["b@in.test"] });
  try {
    await assert.rejects(send(hub.port, ["x@in.test"], HEADER), { responseCode: 550 });
    await assert.rejects(send(hub.port, ["x@else.test"], HEADER), { responseCode: 554 });
    await send(hub.port, ["b@in.test"], HEADER);
    await hub.waitForMessages(1);
  } finally {
    await hub.stop();
  }
});

test("the Postfix hub comes back on its port with its mail", { skip: noPostfix() }, async () => {
  const hub = await startPostfixHub({ domains: ["in.test"] });
  try {
    await send(hub.port, ["b@in.test"], HEADER);
    await hub.waitForMessages(1);
    await hub.halt();
    await assert.rejects(send(hub.port, ["b@in.test"], HEADER), /ECONNREFUSED/);
    await hub.restart();
    await send(hub.port, ["b@in.test"], HEADER);
    await hub.waitForMessages(2);
  } finally {
    await hub.stop();
  }
});
