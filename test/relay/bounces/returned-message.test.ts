import assert from "node:assert/strict";
import { test } from "node:test";
import { forSender, withHeaders } from "../../../src/relay/bounces/returned-message.ts";
import { readAll, toBytesSource } from "../../support/bytes-source.ts";

const OURS = "X-Postern-Id: 1\r\nX-POSTERN-SCL: 5\r\nX-Postern-Report: v=1;\r\n score=3\r\n";
const SPAM = "X-Spam-Flag: YES\r\nX-Spam-Level : ***\r\n";
const THEIRS = "Subject: x\r\n folded\r\nno field\r\nX-Spammer: no\r\n";

test("what we thought of a message does not go back to its sender", () => {
  const kept = forSender(Buffer.from(OURS + SPAM + THEIRS)).toString();
  assert.equal(kept, `X-Postern-Id: 1\r\n${THEIRS}`);
});

test("a message that goes back is otherwise as it was, wherever its chunks end", async () => {
  const body = "\r\nbody\r\n..\r\n";
  for (const chunkBytes of [1, 7, 64, 65_536]) {
    const headers = Buffer.from(OURS + THEIRS);
    const message = toBytesSource(OURS + THEIRS + body, chunkBytes);
    const made = withHeaders(message, headers, Buffer.from(THEIRS));
    const octets = await readAll(made);
    assert.equal(octets.toString(), THEIRS + body);
    assert.equal(octets.length, made.size);
  }
  const none = withHeaders(toBytesSource("\r\nbody\r\n"), Buffer.alloc(0), Buffer.alloc(0));
  assert.equal((await readAll(none)).toString(), "\r\nbody\r\n");
});
