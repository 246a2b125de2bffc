import assert from "node:assert/strict";
import { test } from "node:test";
import { createBlocks } from "../../src/reputation/blocks.ts";
import { createMemoryReputation } from "../../src/reputation/memory-reputation.ts";
import {
  parseSubject,
  subjectText,
  toClientSubject,
  toNameSubject,
  toNetworkSubject,
} from "../../src/reputation/subjects.ts";
import { createFakeClock } from "../support/fake-clock.ts";

test("a client is an address, or the /64 of one; its network a /24 or a /48", () => {
  const subjects = (ip: string) => [toClientSubject(ip).key, toNetworkSubject(ip)?.key];
  assert.deepEqual(subjects("192.0.2.77"), ["192.0.2.77", "192.0.2.0/24"]);
  assert.deepEqual(subjects("::ffff:192.0.2.77"), ["192.0.2.77", "192.0.2.0/24"]);
  assert.deepEqual(subjects("2001:db8:a:b:c::1"), ["2001:db8:a:b::/64", "2001:db8:a::/48"]);
  assert.deepEqual(subjects("::1"), ["::/64", "::/48"]);
  assert.equal(toNetworkSubject("nonsense"), null);
});

test("names do not differ by case or the last dot, and are bounded", () => {
  assert.deepEqual(
    toNameSubject("helo", "Mail.Example.ORG."),
    toNameSubject("helo", "mail.example.org"),
  );
  assert.equal(toNameSubject("helo", "x".repeat(300)).key.length, 64);
  assert.notDeepEqual(
    toNameSubject("helo", `${"x".repeat(300)}a`),
    toNameSubject("helo", `${"x".repeat(300)}b`),
  );
});

test("a subject is read back from its text", () => {
  for (const subject of [
    toClientSubject("192.0.2.1"),
    toClientSubject("2001:db8::1"),
    toNetworkSubject("2001:db8::1"),
    toNameSubject("domain", "example.org"),
    toNameSubject("helo", "[192.0.2.1]:x"),
  ]) {
    assert.ok(subject);
    assert.deepEqual(parseSubject(subjectText(subject)), subject);
  }
  assert.deepEqual(parseSubject("client:2001:DB8::5"), toClientSubject("2001:db8::"));
  for (const text of [
    "",
    "client:",
    "client:x",
    "network:x/24",
    "nobody:example.org",
    "example.org",
  ])
    assert.equal(parseSubject(text), null, text);
});

test("a block is told by its subject; what cannot be read is none", async () => {
  const clock = createFakeClock();
  const { blocks: shelf } = createMemoryReputation(clock);
  const blocks = createBlocks(shelf);
  const subject = toClientSubject("192.0.2.1");
  const until = clock.now() + 1000;
  const block = { subject, reason: "SRL 7", by: "reputation", evidence: { srl: 7 }, until };
  await blocks.put(block);
  await shelf.put({ key: "client:192.0.2.2", value: { of: "another version" }, until });
  await shelf.put({ key: "no subject", value: { reason: "x", by: "y" }, until });
  const stored = { ...block, since: clock.now() };
  assert.deepEqual(await blocks.list(), { kind: "known", value: [stored] });
  const other = toClientSubject("192.0.2.2");
  assert.deepEqual(await blocks.get([other, subject]), { kind: "known", value: [stored] });
  assert.deepEqual(await blocks.remove(subject), { kind: "known", value: true });
  assert.deepEqual(await blocks.get([subject]), { kind: "known", value: [] });
});
