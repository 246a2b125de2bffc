import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, encode } from "dns-packet";
import fc from "fast-check";
import { readAnswer } from "../../src/net/dns-answer.ts";
import { type DnsQuestion, readMessage, toQuery } from "../../src/net/dns-message.ts";
import type { RecordType } from "../../src/net/resolver.ts";

const TYPES: readonly RecordType[] = ["A", "AAAA", "MX", "TXT", "PTR", "TLSA", "CNAME"];
const QUESTION: DnsQuestion & { readonly type: "A" } = { name: "mail.example.org", type: "A" };

function response(id: number, answers: Answer[], extra: object = {}): Buffer {
  const questions = [{ ...QUESTION, class: "IN" as const }];
  return encode({ type: "response", id, questions, answers, ...extra });
}

test("ids differ from query to query", () => {
  const ids = new Set(Array.from({ length: 50 }, () => toQuery(QUESTION).id));
  assert.ok(ids.size > 40);
});

test("an answer repeats the id and the question, without regard to case", () => {
  const query = toQuery(QUESTION);
  assert.ok(readMessage(response(query.id, []), query));
  assert.equal(readMessage(response(query.id ^ 1, []), query), null);
  const shouted = { questions: [{ name: "MAIL.example.ORG", type: "A", class: "IN" }] };
  assert.ok(readMessage(response(query.id, [], shouted), query));
  for (const questions of [
    [],
    [{ name: "mail.example.com", type: "A", class: "IN" }],
    [{ name: "mail.example.org", type: "AAAA", class: "IN" }],
    [{ name: "mail.example.org", type: "A", class: "CH" }],
    [QUESTION, QUESTION],
  ])
    assert.equal(readMessage(response(query.id, [], { questions }), query), null);
  assert.equal(readMessage(query.bytes, query), null, "a query is no answer");
});

test("an extended response code is no NOERROR", () => {
  const query = toQuery(QUESTION);
  const opt = { type: "OPT", name: ".", extendedRcode: 1, udpPayloadSize: 1232 };
  const message = readMessage(response(query.id, [], { additionals: [opt] }), query);
  assert.ok(message);
  assert.equal(readAnswer(message, QUESTION).lookup.kind, "temporary");
});

test("records of other names in an answer are not believed", () => {
  const query = toQuery(QUESTION);
  const stranger: Answer = { type: "A", name: "bank.example", ttl: 60, data: "192.0.2.66" };
  const message = readMessage(response(query.id, [stranger]), query);
  assert.ok(message);
  assert.equal(readAnswer(message, QUESTION).lookup.kind, "none");
});

test("a message that was cut anywhere is none, and no record of it is believed", () => {
  for (const answer of [
    { type: "TXT", name: QUESTION.name, ttl: 60, data: ["v=spf1 -all", "more"] },
    { type: "A", name: QUESTION.name, ttl: 60, data: "192.0.2.1" },
    { type: "MX", name: QUESTION.name, ttl: 60, data: { preference: 1, exchange: "a.test" } },
  ] as const) {
    const question = { name: QUESTION.name, type: answer.type };
    const query = toQuery(question);
    const whole = encode({
      ...{ type: "response", id: query.id, questions: [question] },
      answers: [answer as unknown as Answer],
    });
    const message = readMessage(whole, query);
    assert.equal(message && readAnswer(message, question).lookup.kind, "found");
    for (let length = 0; length < whole.length; length++)
      assert.equal(readMessage(whole.subarray(0, length), query), null, `${answer.type} ${length}`);
  }
});

test("a chain of CNAME records that is too long is temporary", () => {
  const query = toQuery(QUESTION);
  const link = (i: number) => (i === 0 ? "mail.example.org" : `n${i}.example.org`);
  const chain: Answer[] = Array.from({ length: 40 }, (_, i) => ({
    type: "CNAME",
    name: link(i),
    ttl: 60,
    data: link(i + 1),
  }));
  const message = readMessage(response(query.id, chain), query);
  assert.ok(message);
  assert.equal(readAnswer(message, QUESTION).lookup.kind, "temporary");
});

test("random bytes after a true header and question never throw", () => {
  const type = fc.constantFrom(...TYPES);
  const counts = fc.array(fc.nat(5), { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(type, fc.uint8Array({ maxLength: 600 }), counts, (asked, noise, sections) => {
      const question = { name: "mail.example.org", type: asked };
      const query = toQuery(question);
      const start = encode({ type: "response", id: query.id, questions: [question] });
      for (const [i, count] of sections.entries()) start.writeUInt16BE(count, 6 + 2 * i);
      const message = readMessage(Buffer.concat([start, noise]), query);
      if (message) readAnswer(message, question);
    }),
    { numRuns: 3000 },
  );
});

test("a true answer with flipped octets never throws and never yields a broken record", () => {
  const answers: Answer[] = [
    { type: "CNAME", name: "mail.example.org", ttl: 9, data: "m.example.org" },
    { type: "A", name: "m.example.org", ttl: 9, data: "192.0.2.1" },
    { type: "TXT", name: "m.example.org", ttl: 9, data: ["v=spf1", "-all"] },
  ];
  const flip = fc.tuple(fc.nat(200), fc.nat(255));
  fc.assert(
    fc.property(fc.array(flip, { minLength: 1, maxLength: 6 }), (flips) => {
      const query = toQuery(QUESTION);
      const bytes = response(query.id, answers);
      for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value;
      const message = readMessage(bytes, query);
      const { lookup } = message ? readAnswer(message, QUESTION) : { lookup: null };
      if (lookup?.kind === "found")
        for (const record of lookup.records) assert.match(record, /^\d+\.\d+\.\d+\.\d+$/);
    }),
    { numRuns: 3000 },
  );
});
