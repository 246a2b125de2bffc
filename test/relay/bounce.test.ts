import assert from "node:assert/strict";
import { test } from "node:test";
import { toBounce } from "../../src/relay/bounce.ts";
import type { Leg } from "../../src/relay/relay.ts";
import { readAll } from "../support/bytes-source.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { toLeg } from "../support/relay-bench.ts";
import { toAddress } from "../support/spool-item.ts";

const clock = createFakeClock();
const REPLY = { code: 550, status: "5.1.1", text: "no such user" };

async function bounceText(
  change: { leg?: Partial<Leg>; headers?: string; text?: string; to?: string } = {},
): Promise<string> {
  const leg = toLeg(["a@x.test"], { receivedAt: clock.now(), ...change.leg });
  const recipient = { address: toAddress(change.to ?? "a@x.test") };
  const reply = { ...REPLY, text: change.text ?? REPLY.text };
  const { source } = toBounce(leg, [{ recipient, reply }], {
    hostname: "mx.postern.test",
    hub: "10.1.0.25:25",
    now: clock.now(),
    headers: change.headers ?? "Subject: hello\r\nFrom: me\r\n",
  });
  return (await readAll(source)).toString("utf8");
}

test("a bounce is a delivery status report with three parts", async () => {
  const text = await bounceText();
  const boundary = /boundary="([^"]+)"/.exec(text)?.[1] ?? "";
  const parts = text.split(`--${boundary}`);
  assert.equal(parts.length, 5);
  assert.match(parts[0] ?? "", /^Auto-Submitted: auto-replied\r$/m);
  assert.match(parts[0] ?? "", /^To: <sender@away\.test>\r$/m);
  assert.match(parts[1] ?? "", /a@x\.test\r\n {4}550 5\.1\.1 no such user/);
  assert.match(parts[2] ?? "", /^Content-Type: message\/delivery-status\r$/m);
  assert.match(parts[2] ?? "", /^Reporting-MTA: dns; mx\.postern\.test\r$/m);
  assert.match(parts[2] ?? "", /^Status: 5\.1\.1\r\nRemote-MTA: dns; 10\.1\.0\.25\r$/m);
  assert.match(parts[2] ?? "", /^Diagnostic-Code: smtp; 550 5\.1\.1 no such user\r$/m);
  assert.match(parts[3] ?? "", /\r\n\r\nSubject: hello\r\nFrom: me\r\n/);
  assert.equal(parts[4], "--\r\n");
});

test("the originals of RFC 3461 come back", async () => {
  const envelope = toLeg(["a@x.test"]).envelope;
  const mail = { ...envelope.mail, envid: "QQ314159" };
  const text = await bounceText({ leg: { envelope: { ...envelope, mail } } });
  assert.match(text, /^Original-Envelope-Id: QQ314159\r$/m);
});

test("words of others stay on their line and within seven bits", async () => {
  const hostile = `no\r\nX-Forged: 1\u0000\u009b ${"long ".repeat(300)}ünd`;
  const headers = `Subject: \xff\xfe\0\r\nX-Long: ${"y".repeat(5000)}\r\n.\r\n`;
  const text = await bounceText({ text: hostile, headers });
  assert.doesNotMatch(text, /^X-Forged/m);
  assert.doesNotMatch(text, /[^\t\r\n\x20-\x7e]/);
  for (const line of text.split("\r\n")) assert.ok(line.length <= 998 && !/[\r\n]/.test(line));
});

test("an international address makes an international bounce", async () => {
  const leg = toLeg(["käthe@x.test"]);
  const recipient = { address: toAddress("käthe@x.test") };
  const facts = { hostname: "mx", hub: null, now: 0, headers: "" };
  const { needs, source } = toBounce(leg, [{ recipient, reply: REPLY }], facts);
  assert.deepEqual(needs, { eightBitMime: true, smtpUtf8: true });
  const text = (await readAll(source)).toString("utf8");
  assert.match(text, /^Content-Type: message\/global-delivery-status\r$/m);
  assert.match(text, /^Final-Recipient: utf-8; käthe@x\.test\r$/m);
});

test("the boundary cannot be forged: whoever wrote the message does not know its id", async () => {
  const text = await bounceText({ headers: "X: a\r\n--=_bounce_\r\n--=_bounce_--\r\n" });
  const boundary = /boundary="([^"]+)"/.exec(text)?.[1] ?? "";
  assert.equal(text.split(`\r\n--${boundary}`).length, 5);
});
