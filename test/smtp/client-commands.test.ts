import assert from "node:assert/strict";
import { test } from "node:test";
import type { Address } from "../../src/mail/address.ts";
import type { Envelope } from "../../src/mail/envelope.ts";
import {
  isSpeakable,
  toCapabilities,
  toMailCommand,
  toRcptCommand,
} from "../../src/smtp/client-commands.ts";

function address(spoken: string): Address {
  return { spoken, localPart: spoken, domain: "example.org" };
}

const ALL = toCapabilities(["SIZE 1000", "8BITMIME", "SMTPUTF8", "DSN", "PIPELINING"]);
const NONE = toCapabilities([]);
const ENVELOPE: Envelope = {
  sender: address("a@example.org"),
  recipients: [{ address: address("b@example.org") }],
  mail: { body: "8bitmime", smtputf8: false },
};

test("keywords are read without case, and SIZE without a number is no limit", () => {
  const offered = toCapabilities(["size 0", "8bitmime", "Auth PLAIN", "XDSN"]);
  assert.equal(offered.sizeOffered, true);
  assert.equal(offered.maxBytes, null);
  assert.equal(offered.eightBitMime, true);
  assert.equal(offered.dsn, false);
  assert.equal(ALL.maxBytes, 1000);
});

test("MAIL carries what the server offers and nothing else", () => {
  assert.equal(toMailCommand(ENVELOPE, 7, ALL), "MAIL FROM:<a@example.org> SIZE=7 BODY=8BITMIME");
  assert.equal(toMailCommand(ENVELOPE, 7, NONE), "MAIL FROM:<a@example.org>");
  assert.equal(toMailCommand({ ...ENVELOPE, sender: null }, 7, NONE), "MAIL FROM:<>");
});

test("SMTPUTF8 is said for a foreign address, and when the client said it", () => {
  const foreign = { ...ENVELOPE, sender: address("ä@example.org") };
  assert.match(toMailCommand(foreign, 1, ALL), / SMTPUTF8$/);
  const said: Envelope = { ...ENVELOPE, mail: { body: "7bit", smtputf8: true } };
  assert.match(toMailCommand(said, 1, ALL), / SMTPUTF8$/);
});

test("DSN parameters travel per recipient, and one with a blank does not", () => {
  const recipient = { address: address("b@x"), notify: ["FAILURE", "DELAY"], orcpt: "rfc822;b@x" };
  const command = toRcptCommand({ ...recipient, notify: ["FAILURE", "DELAY"] }, ALL);
  assert.equal(command, "RCPT TO:<b@x> NOTIFY=FAILURE,DELAY ORCPT=rfc822;b@x");
  const forged = { address: address("b@x"), orcpt: "rfc822;b@x\r\nRCPT TO:<evil@x>" };
  assert.equal(toRcptCommand(forged, ALL), "RCPT TO:<b@x>");
  assert.equal(toRcptCommand({ ...recipient, notify: ["FAILURE"] }, NONE), "RCPT TO:<b@x>");
});

test("an envelope id or original recipient that could become a parameter is not said", () => {
  const hostile = ["a SIZE=1", "a\r\nRCPT TO:<evil@x>", "a\0", "ü", "a\x7f", ""];
  for (const text of hostile) {
    const mail = { ...ENVELOPE.mail, envid: text };
    const said = toMailCommand({ ...ENVELOPE, mail }, 7, ALL);
    assert.equal(said, "MAIL FROM:<a@example.org> SIZE=7 BODY=8BITMIME", JSON.stringify(text));
    const recipient = { address: address("b@x"), orcpt: text };
    assert.equal(toRcptCommand(recipient, ALL), "RCPT TO:<b@x>", JSON.stringify(text));
  }
  const mail = { ...ENVELOPE.mail, envid: "a+20b" };
  assert.match(toMailCommand({ ...ENVELOPE, mail }, 7, ALL), / ENVID=a\+20b$/);
});

test("addresses that could leave their brackets cannot be spoken", () => {
  const hostile = ["", "a\r\nRCPT TO:<e@x>", "a@b> SIZE=1", "a b@c", "a@b\0", "a<b@c", "\u0085a@b"];
  hostile.push('"a"b"@c d', '"open@c', "a@b\ud800", "a\t@b");
  for (const spoken of hostile) assert.equal(isSpeakable(address(spoken)), false, spoken);
});

test("quoted local parts and foreign addresses can be spoken", () => {
  for (const spoken of ['"a b>"@c', '"a\\"b"@c', "ä@ö.example", "a%b@c", "postmaster", "x@[::1]"]) {
    assert.equal(isSpeakable(address(spoken)), true, spoken);
  }
});
