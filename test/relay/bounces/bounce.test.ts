import assert from "node:assert/strict";
import { test } from "node:test";
import { type BounceFacts, toBounce } from "../../../src/relay/bounces/bounce.ts";
import { EXPIRED, type Told, UNANSWERED } from "../../../src/relay/bounces/told.ts";
import type { Leg } from "../../../src/relay/relay.ts";
import type { BounceKind } from "../../../src/spool/spool.ts";
import { readAll, toBytesSource } from "../../support/bytes-source.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { toLeg } from "../../support/relay-bench.ts";
import { toAddress } from "../../support/spool-item.ts";

const clock = createFakeClock();
const REPLY = { code: 550, status: "5.1.1", text: "no such user" };
const TOLD: Told = {
  recipient: { address: toAddress("a@x.test") },
  hub: "192.0.2.25:25",
  reply: REPLY,
};

interface Change {
  readonly kind?: BounceKind;
  readonly leg?: Partial<Leg>;
  readonly told?: readonly Partial<Told>[];
  readonly headers?: string;
  readonly facts?: Partial<BounceFacts>;
}

function bounceOf({ kind = "failed", leg, told = [{}], headers, facts }: Change = {}) {
  return toBounce(
    kind,
    toLeg(["a@x.test"], { receivedAt: clock.now(), ...leg }),
    told.map((one) => ({ ...TOLD, ...one })),
    {
      hostname: "mx.postern.test",
      now: clock.now() + 60_000,
      retryUntil: clock.now() + 432_000_000,
      headers: Buffer.from(headers ?? "Subject: hello\r\nFrom: me\r\n", "latin1"),
      token: "0123456789abcdef",
      whole: null,
      ...facts,
    },
  );
}

async function textOf(change: Change = {}): Promise<string> {
  return (await readAll(bounceOf(change).source)).toString("utf8");
}

function partsOf(text: string): readonly string[] {
  const boundary = /boundary="([^"]+)"/.exec(text)?.[1] ?? "";
  return text.split(`--${boundary}`);
}

const recipientOf = (spoken: string) => ({ recipient: { address: toAddress(spoken) } });

test("a bounce is a delivery status report with three parts", async () => {
  const text = await textOf();
  const parts = partsOf(text);
  assert.equal(parts.length, 5);
  assert.match(parts[0] ?? "", /^Auto-Submitted: auto-replied\r$/m);
  assert.match(parts[0] ?? "", /^From: Mail Delivery System <postmaster@mx\.postern\.test>\r$/m);
  assert.match(parts[0] ?? "", /^To: <sender@away\.test>\r$/m);
  assert.match(parts[1] ?? "", /a@x\.test\r\n {4}550 5\.1\.1 no such user/);
  assert.match(parts[2] ?? "", /^Content-Type: message\/delivery-status\r$/m);
  assert.match(parts[2] ?? "", /^Reporting-MTA: dns; mx\.postern\.test\r$/m);
  assert.match(parts[2] ?? "", /^Action: failed\r\nStatus: 5\.1\.1\r$/m);
  assert.match(parts[2] ?? "", /^Remote-MTA: dns; \[192\.0\.2\.25\]\r$/m);
  assert.match(parts[2] ?? "", /^Diagnostic-Code: smtp; 550 5\.1\.1 no such user\r$/m);
  assert.match(parts[2] ?? "", /^Last-Attempt-Date: Thu, 01 Jan 2026 00:01:00 \+0000\r$/m);
  assert.doesNotMatch(text, /Will-Retry-Until/);
  assert.match(parts[3] ?? "", /\r\n\r\nSubject: hello\r\nFrom: me\r\n/);
  assert.equal(parts[4], "--\r\n");
});

test("the size of a bounce is that of its octets", async () => {
  for (const whole of [null, toBytesSource("Subject: x\r\n\r\nbody\r\n")]) {
    const { source } = bounceOf({ facts: { whole } });
    assert.equal((await readAll(source)).length, source.size);
  }
});

test("the originals of RFC 3461 come back", async () => {
  const envelope = toLeg(["a@x.test"]).envelope;
  const mail = { ...envelope.mail, envid: "QQ+2B314159" };
  const recipient = { address: toAddress("a@x.test"), orcpt: "rfc822;old+2Btag@x.test" };
  const text = await textOf({ leg: { envelope: { ...envelope, mail } }, told: [{ recipient }] });
  assert.match(text, /^Original-Envelope-Id: QQ\+314159\r$/m);
  assert.match(text, /^Original-Recipient: rfc822; old\+tag@x\.test\r$/m);
});

test("what the originals hold stays on its line and within seven bits", async () => {
  const hostile = "a+0D+0AX-Forged:+20+C3+BC+00+7F";
  const envelope = toLeg(["a@x.test"]).envelope;
  const mail = { ...envelope.mail, envid: hostile };
  const recipient = { address: toAddress("a@x.test"), orcpt: `rfc822;${hostile}` };
  const text = await textOf({ leg: { envelope: { ...envelope, mail } }, told: [{ recipient }] });
  assert.match(text, /^Original-Envelope-Id: a\?\?X-Forged: \?{4}\r$/m);
  assert.match(text, /^Original-Recipient: rfc822; a\?\?X-Forged: \?{4}\r$/m);
});

test("the class of a status is that of what happened, whatever was said", async () => {
  const rows: readonly (readonly [BounceKind, number, string | null, string])[] = [
    ["failed", 550, "5.1.1", "5.1.1"],
    ["failed", 500, null, "5.0.0"],
    ["failed", 550, "4.2.2", "5.0.0"],
    ["failed", 451, "4.4.7", "4.4.7"],
    ["failed", 451, "5.4.7", "4.0.0"],
    ["delayed", 450, "4.2.2", "4.2.2"],
    ["delayed", 450, "5.7.1", "4.0.0"],
    ["relayed", 250, "2.1.5", "2.1.5"],
    ["relayed", 250, "4.2.0", "2.0.0"],
  ];
  for (const [kind, code, status, expected] of rows) {
    const text = await textOf({ kind, told: [{ reply: { code, status, text: "" } }] });
    assert.match(text, new RegExp(`^Status: ${expected}\r$`, "m"), `${kind} ${code} ${status}`);
  }
});

test("one bounce tells of several recipients, each with his own hub and words", async () => {
  const other = { code: 552, status: "5.2.2", text: "full" };
  const text = await textOf({
    told: [
      {},
      { ...recipientOf("b@x.test"), hub: "mx.x.test:25", reply: other },
      { ...recipientOf("c@x.test"), hub: "[2001:db8::1]:25" },
      { ...recipientOf("d@x.test"), hub: null },
    ],
  });
  const [, a, b, c, d] = partsOf(text)[2]?.split("\r\n\r\n").slice(1) ?? [];
  assert.match(a ?? "", /a@x\.test\r\n.*Status: 5\.1\.1/s);
  assert.match(b ?? "", /b@x\.test\r\n.*Status: 5\.2\.2\r\nRemote-MTA: dns; mx\.x\.test\r/s);
  assert.match(c ?? "", /Remote-MTA: dns; \[IPv6:2001:db8::1\]\r/);
  assert.doesNotMatch(d ?? "Remote-MTA", /Remote-MTA/);
});

test("a delay notice says until when it is tried, and that nothing is to be done", async () => {
  const reply = { code: 450, status: null, text: "later" };
  const text = await textOf({ kind: "delayed", told: [{ reply }] });
  assert.match(text, /^Subject: Your message is delayed and is still being tried\r$/m);
  assert.match(text, /^Action: delayed\r\nStatus: 4\.0\.0\r$/m);
  assert.match(text, /^Will-Retry-Until: Tue, 06 Jan 2026 00:00:00 \+0000\r$/m);
  assert.match(
    text.replace(/\r\n/g, " "),
    /need not send it again: it will be tried until Tue, 06/,
  );
});

test("a notice of being passed on has the class of success", async () => {
  const reply = { code: 250, status: null, text: "queued as 4711" };
  const text = await textOf({ kind: "relayed", told: [{ reply }] });
  assert.match(text, /^Action: relayed\r\nStatus: 2\.0\.0\r$/m);
  assert.match(text, /^Diagnostic-Code: smtp; 250 queued as 4711\r$/m);
});

test("only what a server said is called its words", async () => {
  const alone = await textOf({ told: [{ reply: EXPIRED }] });
  assert.match(alone, /^Status: 4\.4\.7\r$/m);
  assert.match(alone, /^Diagnostic-Code: X-Postern; 451 4\.4\.7 Delivery time expired\r$/m);
  const last = { code: 450, status: "4.2.2", text: "full" };
  const both = await textOf({ told: [{ reply: EXPIRED, last }] });
  assert.match(
    both,
    /^ {4}451 4\.4\.7 Delivery time expired; the last answer was: 450 4\.2\.2 full\r$/m,
  );
  assert.match(both, /^Status: 4\.4\.7\r$/m);
  assert.match(both, /^Diagnostic-Code: smtp; 450 4\.2\.2 full\r$/m);
});

test("a message goes back whole, as it was", async () => {
  const message = "Subject: whole\r\n\r\nbody\r\n.\r\n\xe4\r\n";
  const whole = toBytesSource(Buffer.from(message, "latin1"));
  const leg = { needs: { eightBitMime: true, smtpUtf8: false } };
  const { source, needs } = bounceOf({ leg, facts: { whole } });
  assert.deepEqual(needs, { eightBitMime: true, smtpUtf8: false });
  const text = (await readAll(source)).toString("latin1");
  const returned = partsOf(text)[3] ?? "";
  const head = "\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
  assert.equal(returned, `${head}${message}\r\n`);
});

test("words of others stay on their line and within seven bits", async () => {
  const hostile = `no\r\nX-Forged: 1\u0000\u009b ${"long ".repeat(300)}ünd`;
  const hub = "mx.evil\r\nX-Forged: 2:25";
  const headers = `Subject: \xff\xfe\0\r\nX-Long: ${"y".repeat(5000)}\r\n.\r\n`;
  const text = await textOf({ told: [{ hub, reply: { ...REPLY, text: hostile } }], headers });
  assert.doesNotMatch(text, /^X-Forged/m);
  assert.doesNotMatch(text, /[^\t\r\n\x20-\x7e]/);
  for (const line of text.split("\r\n")) assert.ok(line.length <= 998 && !/[\r\n]/.test(line));
});

test("an address out of a damaged envelope stays on its line", async () => {
  const text = await textOf({ told: [recipientOf("a\r\nX-Forged: 1@x.test")] });
  assert.doesNotMatch(text, /^X-Forged/m);
});

test("an international address makes an international bounce", async () => {
  const { needs, source } = bounceOf({ told: [recipientOf("käthe@x.test")] });
  assert.deepEqual(needs, { eightBitMime: true, smtpUtf8: true });
  const text = (await readAll(source)).toString("utf8");
  assert.match(text, /^Content-Type: message\/global-delivery-status\r$/m);
  assert.match(text, /^Final-Recipient: utf-8; käthe@x\.test\r$/m);
});

test("the boundary is nothing that whoever wrote the message could have read", async () => {
  const leg = toLeg(["a@x.test"]);
  const text = await textOf({ leg, headers: `X: a\r\n--=_bounce_${leg.transactionId}--\r\n` });
  assert.equal(partsOf(text).length, 5);
  assert.ok(!/boundary="([^"]+)"/.exec(text)?.[1]?.includes(leg.transactionId));
});

test("a bounce stands beside its message, whose Message-ID gets in only as one", async () => {
  const text = await textOf({ headers: "Message-ID:\r\n <1@friend.test>\r\n" });
  const head = partsOf(text)[0] ?? "";
  assert.match(head, /^In-Reply-To: <1@friend\.test>\r\nReferences: <1@friend\.test>\r$/m);
  for (const id of ["<a b>", "<a><b>", "x", `<${"i".repeat(300)}>`, "<ä@x>"]) {
    assert.doesNotMatch(await textOf({ headers: `Message-ID: ${id}\r\n` }), /^In-Reply-To/m, id);
  }
});

test("servers of the inside are not told of", async () => {
  for (const hub of [
    "10.1.0.25:25",
    "[fd00::1]:25",
    "hub.internal:25",
    "exchange:25",
    "a.lan:25",
  ]) {
    const reason = `connect ECONNREFUSED ${hub}`;
    const text = await textOf({ told: [{ hub, reply: UNANSWERED, reason }] });
    assert.match(
      text,
      /^Diagnostic-Code: X-Postern; 451 4\.4\.1 The next server did not answer\r$/m,
    );
    assert.doesNotMatch(text, /Remote-MTA|ECONNREFUSED/, hub);
    assert.ok(!text.includes(hub.replace(/:25$/, "")), hub);
  }
});

test("a recipient who was put in another's place is told of by the name that was spoken", async () => {
  const origin = toAddress("john@example.org");
  const recipient = { address: toAddress("j.doe@corp.example.org"), origin };
  const reply = { ...REPLY, text: "<j.doe@corp.example.org> is unknown" };
  const text = await textOf({ told: [{ recipient, reply, last: reply }] });
  assert.match(text, /^Final-Recipient: rfc822; john@example\.org\r$/m);
  assert.match(text, /<john@example\.org> is unknown/);
  assert.doesNotMatch(text, /j\.doe|corp/);
});

test("a server that names another recipient, or writes him with other letters, is put right", async () => {
  const ann = { address: toAddress("a.nn@corp.example.org"), origin: toAddress("ann@example.org") };
  const recipient = { address: toAddress("j.doe@corp.example.org") };
  const reply = { ...REPLY, text: "<A.NN@corp.example.ORG> is full" };
  const { envelope } = toLeg([]);
  const leg = { envelope: { ...envelope, recipients: [recipient, ann] } };
  const text = await textOf({ leg, told: [{ recipient, reply }] });
  assert.match(text, /^Diagnostic-Code: smtp; 550 5\.1\.1 <ann@example\.org> is full\r$/m);
  assert.match(text, /^Final-Recipient: rfc822; j\.doe@corp\.example\.org\r$/m);
});
