import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { selectPurportedAuthor } from "../../../src/auth/sender-id/purported-author.ts";
import { parseHeaderBlock } from "../../../src/mail/header-block.ts";

function select(...lines: readonly string[]): string {
  const bytes = Buffer.from(`${lines.join("\r\n")}\r\n\r\nFrom: body@evil.test\r\n`, "latin1");
  const author = selectPurportedAuthor(parseHeaderBlock(bytes));
  if (author.kind === "none") return author.fault;
  return `${author.header} ${author.localPart}@${author.domain}`;
}

type Row = readonly [title: string, fields: readonly string[], expected: string];

function table(rows: readonly Row[]): void {
  for (const [title, fields, expected] of rows)
    test(title, () => {
      assert.equal(select(...fields), expected);
    });
}

const FROM = "From: author@from.test";
const SENDER = "Sender: desk@sender.test";
const RESENT_FROM = "Resent-From: bob@rfrom.test";
const RESENT_SENDER = "Resent-Sender: eve@rsender.test";
const RECEIVED = "Received: from a.test by b.test; Thu, 1 Jan 2026 00:00:00 +0000";
const RETURN_PATH = "Return-Path: <x@y.test>";

describe("step 1: Resent-Sender, unless a Resent-From stands in a newer block", () => {
  table([
    [
      "it is taken before all others",
      [RESENT_SENDER, SENDER, FROM],
      "resent-sender eve@rsender.test",
    ],
    [
      "a Resent-From of the same block before it changes nothing",
      [RESENT_FROM, "Resent-Date: x", RESENT_SENDER, FROM],
      "resent-sender eve@rsender.test",
    ],
    [
      "a Resent-From behind it changes nothing",
      [RESENT_SENDER, RECEIVED, RESENT_FROM, FROM],
      "resent-sender eve@rsender.test",
    ],
    [
      "a Received between a Resent-From and it makes the Resent-From the newer one",
      [RESENT_FROM, RECEIVED, RESENT_SENDER, FROM],
      "resent-from bob@rfrom.test",
    ],
    [
      "so does a Return-Path",
      [RESENT_FROM, RETURN_PATH, RESENT_SENDER, FROM],
      "resent-from bob@rfrom.test",
    ],
    [
      "a Received before both does not",
      [RECEIVED, RESENT_FROM, RESENT_SENDER, RECEIVED, FROM],
      "resent-sender eve@rsender.test",
    ],
    [
      "an empty Resent-From is none, and its block is none",
      ["Resent-From: \t", RECEIVED, RESENT_SENDER, FROM],
      "resent-sender eve@rsender.test",
    ],
    [
      "an empty one before counts not, the filled one in the same block does",
      ["Resent-From:", RECEIVED, RESENT_FROM, RESENT_SENDER, FROM],
      "resent-sender eve@rsender.test",
    ],
    [
      "of several the first is taken",
      ["Resent-Sender: new@rsender.test", RECEIVED, RESENT_SENDER, FROM],
      "resent-sender new@rsender.test",
    ],
    [
      "an empty one is passed over",
      ["Resent-Sender:", RECEIVED, RESENT_SENDER, FROM],
      "resent-sender eve@rsender.test",
    ],
    [
      "two blocks: the newer one has only Resent-From, the older one both",
      [
        RECEIVED,
        RESENT_FROM,
        RECEIVED,
        "Resent-From: old@rfrom.test",
        RESENT_SENDER,
        RECEIVED,
        FROM,
      ],
      "resent-from bob@rfrom.test",
    ],
    [
      "a malformed one is not passed over",
      ["Resent-Sender: eve@rsender.test, x@y.test", RESENT_FROM, SENDER, FROM],
      "malformed",
    ],
  ]);
});

describe("step 2: the first Resent-From", () => {
  table([
    [
      "it is taken before Sender and From",
      [SENDER, FROM, RESENT_FROM],
      "resent-from bob@rfrom.test",
    ],
    [
      "of several the first",
      [RESENT_FROM, RECEIVED, "Resent-From: old@rfrom.test", FROM],
      "resent-from bob@rfrom.test",
    ],
    ["an empty one is none", ["Resent-From: ", SENDER, FROM], "sender desk@sender.test"],
    ["a malformed one is not passed over", ["Resent-From: nobody", SENDER, FROM], "malformed"],
    ["other Resent fields say nothing", ["Resent-To: a@b.test", FROM], "from author@from.test"],
  ]);
});

describe("step 3: Sender", () => {
  table([
    ["one is taken before From", [FROM, SENDER], "sender desk@sender.test"],
    ["several are nobody", [SENDER, FROM, "Sender: other@sender.test"], "several-senders"],
    ["the same twice are several", [SENDER, SENDER, FROM], "several-senders"],
    ["an empty one beside one is none", ["Sender:", FROM, SENDER], "sender desk@sender.test"],
    ["only empty ones are none", ["Sender: \r\n\t", "Sender:", FROM], "from author@from.test"],
    ["a malformed one is nobody, whatever From says", ["Sender: <>", FROM], "malformed"],
    ["one makes several From no matter", [SENDER, FROM, FROM], "sender desk@sender.test"],
  ]);
});

describe("step 4: From", () => {
  table([
    ["one is taken", [RECEIVED, FROM], "from author@from.test"],
    ["none is nobody", ["Subject: x"], "no-field"],
    ["an empty one is none", ["From: "], "no-field"],
    ["several are nobody", [FROM, "From: other@from.test"], "several-froms"],
    ["an empty one beside one is none", ["From:", FROM], "from author@from.test"],
  ]);
});

describe("step 5: exactly one well-formed mailbox with a domain", () => {
  table([
    ["with a name", ['From: "Doe, John" <john@from.test>'], "from john@from.test"],
    ["with a comment", ["From: john@from.test (John)"], "from john@from.test"],
    ["folded", ["From: John\r\n <john@from.test>"], "from john@from.test"],
    [
      "the domain in A-labels and lower case",
      ["From: a@BÜCHER.Test".replace("Ü", "\xc3\x9c")],
      "from a@xn--bcher-kva.test",
    ],
    ["two mailboxes", ["From: a@from.test, b@from.test"], "malformed"],
    ["a group", ["From: staff: a@from.test;"], "malformed"],
    ["an empty group", ["From: undisclosed:;"], "malformed"],
    ["no domain", ["From: john"], "malformed"],
    ["an empty local part", ["From: @from.test"], "malformed"],
    ["a route", ["From: <@hop.test:john@from.test>"], "malformed"],
    ["an address literal has no domain", ["From: john@[192.0.2.1]"], "malformed"],
    ["text behind the address", ["From: <john@from.test>x@evil.test"], "malformed"],
    ["an encoded word as address", ["From: =?utf-8?q?john=40from.test?="], "malformed"],
    ["an open comment", ["From: john@from.test (x"], "malformed"],
    ["a control character", ["From: john\x01@from.test"], "malformed"],
    ["a comment alone is not empty", ["From: (nobody)"], "malformed"],
    ["a comment alone hides no Sender behind it", ["Sender: (nobody)", FROM], "malformed"],
  ]);
});

describe("fields in disguise count as what they look like", () => {
  table([
    ["a blank before the colon", ["From : john@from.test"], "from john@from.test"],
    ["in upper case", ["FROM: john@from.test"], "from john@from.test"],
    ["a second From with an invisible octet", [FROM, "From\x01: ceo@victim.test"], "several-froms"],
    [
      "a second Sender with a byte order mark",
      [SENDER, "\xef\xbb\xbfSender: a@b.test"],
      "several-senders",
    ],
    ["a Sender with a leading blank at the top", [" Sender: a@b.test", FROM], "malformed"],
    ["a Sender that is folded before its colon", [FROM, "Sender\r\n : a@b.test"], "malformed"],
    ["one without a value there is none", [FROM, "Sender\r\n : \t"], "from author@from.test"],
  ]);
});

test("whatever the fields are, who is named stands in one of them, and nothing throws", () => {
  const name = fc.constantFrom(
    "Resent-Sender",
    "Resent-From",
    "Sender",
    "From",
    "Received",
    "From ",
  );
  const value = fc.constantFrom(
    "a@b.test",
    "",
    " ",
    "a@b.test, c@d.test",
    "<c@d.test>",
    "x:;",
    "\r\n x",
  );
  const field = fc.tuple(name, value).map(([n, v]) => `${n}: ${v}`);
  fc.assert(
    fc.property(fc.array(field, { maxLength: 8 }), (fields) => {
      const said = select(...fields);
      const [header = "", address] = said.split(" ");
      if (address === undefined) return;
      const own = fields.filter((one) =>
        one.toLowerCase().replace(" :", ":").startsWith(`${header}:`),
      );
      assert.ok(
        own.some((one) => one.includes(address)),
        `${said} of ${fields.join(" | ")}`,
      );
    }),
  );
});
