import assert from "node:assert/strict";
import { test } from "node:test";
import type { TransactionId } from "../../src/base/ids.ts";
import { acceptedReply, passOn, replyFor } from "../../src/gateway/replies.ts";
import { formatReply, MAX_REPLY_LINE } from "../../src/smtp/reply.ts";

const ID = "01ABCDEFGH01ABCDEF" as TransactionId;
const WORDS = { texts: new Map<string, string>(), footer: null };

test("a refusal names its cause, an enhanced code of the same class and the reference", () => {
  const line = formatReply(replyFor("attachment", { name: "invoice.exe" }, ID, WORDS));
  assert.equal(line, `550 5.7.1 Attachment not accepted: invoice.exe (ref ${ID})`);
});

test("the list's own words reach the sender of listed mail", () => {
  const about = { client: "192.0.2.7", zone: "bl.example", text: "see https://bl.example/7" };
  assert.match(
    formatReply(replyFor("client-listed", about, ID, WORDS)),
    /^550 5\.7\.1 .*client \[192\.0\.2\.7\] blocked using bl\.example; see https:\/\/bl\.example\/7 \(ref /,
  );
});

test("hostile words cannot end the line, leave ASCII or push the reference out", () => {
  const name = `x\r\n250 ok\u202e${"y".repeat(3000)}`;
  const words = { texts: new Map(), footer: "see https://postmaster.example.org" };
  const line = formatReply(replyFor("malware", { name }, ID, words));
  assert.ok(line.length <= MAX_REPLY_LINE - 2);
  assert.match(line, /^[\x20-\x7e]+$/);
  assert.ok(line.endsWith(`(ref ${ID}) see https://postmaster.example.org`));
});

test("the operator's own words replace ours and keep code and reference", () => {
  const words = { texts: new Map([["spam", "Call +1 555 0100"]]), footer: null };
  assert.equal(
    formatReply(replyFor("spam", {}, ID, words)),
    `550 5.7.1 Call +1 555 0100 (ref ${ID})`,
  );
});

test("the hub's refusal is passed on with its code, status and text", () => {
  const reply = passOn({ code: 552, status: "5.2.2", text: "Mailbox full" }, ID, WORDS);
  assert.equal(formatReply(reply), `552 5.2.2 Mailbox full (ref ${ID})`);
});

test("a hub can neither close our client's connection nor turn a refusal into a promise", () => {
  for (const [code, expected] of [
    [421, "451 4.0.0"],
    [250, "451 4.0.0"],
    [354, "451 4.0.0"],
    [599, "550 5.0.0"],
    [999, "451 4.0.0"],
  ] as const) {
    const reply = passOn({ code, status: null, text: "x" }, ID, WORDS);
    assert.ok(formatReply(reply).startsWith(expected), `hub said ${code}`);
    assert.notEqual(reply.close, true);
  }
});

test("a hub's enhanced code of another class cannot contradict its basic code", () => {
  const reply = passOn({ code: 450, status: "5.1.1", text: "later" }, ID, WORDS);
  assert.ok(formatReply(reply).startsWith("450 4.1.1 later"));
});

test("the promise carries the reference too", () => {
  assert.equal(formatReply(acceptedReply(ID)), `250 2.0.0 Message accepted (ref ${ID})`);
});
