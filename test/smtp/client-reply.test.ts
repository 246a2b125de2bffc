import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRemoteReply, parseRemoteReply } from "../../src/smtp/client-reply.ts";

test("code, enhanced status and text are told apart", () => {
  assert.deepEqual(parseRemoteReply("550 5.1.1 no such user"), {
    code: 550,
    status: "5.1.1",
    text: "no such user",
  });
});

test("the lines of one reply are joined and the repeated status is dropped", () => {
  const reply = parseRemoteReply("550-5.7.1 first\n550 5.7.1 second");
  assert.equal(reply?.text, "first second");
});

test("a status whose class is not that of the code is text", () => {
  assert.deepEqual(parseRemoteReply("250 5.1.1 strange"), {
    code: 250,
    status: null,
    text: "5.1.1 strange",
  });
});

test("a reply without text is a reply", () => {
  assert.deepEqual(parseRemoteReply("250"), { code: 250, status: null, text: "" });
});

test("rubbish and lines that disagree are no reply", () => {
  for (const raw of ["", "hello", "25 ok", "2500 ok", "999 ok", "550-a\n250 b", "550-a\nb"]) {
    assert.equal(parseRemoteReply(raw), null, raw);
  }
});

test("controls in the text become blanks and the text is bounded", () => {
  const reply = parseRemoteReply(`550 a\rb\x1b[31m\x00\x9b${"x".repeat(10_000)}`);
  assert.match(reply?.text ?? "", /^a b \[31m {2}x+$/);
  assert.equal(reply?.text.length, 2000);
});

test("a reply is written as it was said", () => {
  assert.equal(formatRemoteReply({ code: 550, status: "5.1.1", text: "no" }), "550 5.1.1 no");
  assert.equal(formatRemoteReply({ code: 354, status: null, text: "" }), "354");
});
