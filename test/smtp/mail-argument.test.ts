import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMailArgument } from "../../src/smtp/mail-argument.ts";
import { parseRcptArgument } from "../../src/smtp/rcpt-argument.ts";
import type { Offers } from "../../src/smtp/session-handler.ts";

const ALL: Offers = { maxBytes: 1000, eightBitMime: true, smtpUtf8: true, dsn: true };

function mail(parameters: string, offers: Offers = ALL): unknown {
  const parsed = parseMailArgument(`FROM:<a@b.test> ${parameters}`, offers);
  return "code" in parsed ? parsed.code : parsed.parameters;
}

function rcpt(parameters: string, offers: Offers = ALL, smtpUtf8 = false): unknown {
  const parsed = parseRcptArgument(`TO:<a@b.test> ${parameters}`, offers, smtpUtf8);
  if ("code" in parsed) return parsed.code;
  const { address: _, ...rest } = parsed;
  return rest;
}

const MAIL: readonly (readonly [parameters: string, result: unknown])[] = [
  ["", { body: "7bit", smtputf8: false }],
  ["  SIZE=0   BODY=7BIT ", { body: "7bit", smtputf8: false, size: 0 }],
  ["size=1000 body=8bitmime smtputf8", { body: "8bitmime", smtputf8: true, size: 1000 }],
  ["RET=full ENVID=QQ314159", { body: "7bit", smtputf8: false, ret: "FULL", envid: "QQ314159" }],
  ["SIZE=1001", 552],
  ["RET=SOME", 501],
  ["RET", 501],
  ["ENVID", 501],
  ["ENVID=a+0", 501],
  ["ENVID=a+zz", 501],
  [`ENVID=${"x".repeat(101)}`, 501],
  ["SMTPUTF8=", 501],
  ["-SIZE=1", 501],
  ["SIZE=1 size=2", 501],
  ["SIZE=ü", 501],
  ["X=1", 555],
];

for (const [parameters, result] of MAIL) {
  test(`MAIL with ${JSON.stringify(parameters)}`, () => {
    assert.deepEqual(mail(parameters), result);
  });
}

const RCPT: readonly (readonly [parameters: string, result: unknown])[] = [
  ["", {}],
  ["NOTIFY=NEVER", { notify: ["NEVER"] }],
  ["notify=success,Delay", { notify: ["SUCCESS", "DELAY"] }],
  ["ORCPT=rfc822;a+2Bb@c.test", { orcpt: "rfc822;a+2Bb@c.test" }],
  ["NOTIFY", 501],
  ["NOTIFY=", 501],
  ["NOTIFY=NEVER,DELAY", 501],
  ["NOTIFY=DELAY,DELAY", 501],
  ["NOTIFY=DELAY,", 501],
  ["NOTIFY=OFTEN", 501],
  ["ORCPT", 501],
  ["ORCPT=a@c.test", 501],
  ["ORCPT=rfc822;", 501],
  ["ORCPT=rfc822;a+0", 501],
  [`ORCPT=rfc822;${"x".repeat(500)}`, 501],
  ["SIZE=1", 555],
];

for (const [parameters, result] of RCPT) {
  test(`RCPT with ${JSON.stringify(parameters.slice(0, 40))}`, () => {
    assert.deepEqual(rcpt(parameters), result);
  });
}

test("ORCPT may be UTF-8 with SMTPUTF8 and is kept in seven bits (RFC 6533 3)", () => {
  const kept = { orcpt: "utf-8;k\\x{E4}the\\x{1F600}@b.test" };
  assert.deepEqual(rcpt("ORCPT=utf-8;k\u00e4the\u{1f600}@b.test", ALL, true), kept);
  assert.deepEqual(rcpt("ORCPT=utf-8;k\\x{E4}the\\x{1F600}@b.test", ALL), kept);
  for (const [parameters, smtpUtf8] of [
    ["ORCPT=utf-8;k\u00e4the@b.test", false],
    ["ORCPT=rfc822;k\u00e4the@b.test", true],
    [`ORCPT=utf-8;${"\u00e4".repeat(100)}@b.test`, true],
    ["NOTIFY=N\u00c4VER", true],
  ] as const)
    assert.equal(rcpt(parameters, ALL, smtpUtf8), 501);
});

test("parameters of what was not offered are unknown", () => {
  const none: Offers = { maxBytes: 1000, eightBitMime: false, smtpUtf8: false };
  for (const parameter of ["BODY=7BIT", "SMTPUTF8", "RET=FULL", "ENVID=x"]) {
    assert.equal(mail(parameter, none), 555);
  }
  for (const parameter of ["NOTIFY=NEVER", "ORCPT=rfc822;a@b.test"]) {
    assert.equal(rcpt(parameter, none), 555);
  }
});

test("a quoted local part may hold what would end the path elsewhere", () => {
  const parsed = parseMailArgument('FROM:<"a> \\" b"@c.test> SIZE=1', ALL);
  assert(!("code" in parsed));
  assert.equal(parsed.sender?.spoken, '"a> \\" b"@c.test');
  assert.equal(parsed.parameters.size, 1);
});
