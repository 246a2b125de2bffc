import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseReceived } from "../../src/mail/received.ts";

const DATE = "; Sun, 22 Nov 2026 03:04:05 +0000";

function hop(rawValue: string): string {
  const read = parseReceived(rawValue);
  if (read.kind === "unreadable") return `unreadable: ${read.reason}`;
  return `${read.by} < ${read.from === null ? "itself" : `${read.from.ip} ${read.from.helo}`}`;
}

for (const [writer, value, expected] of [
  [
    "Postfix",
    " from mail.friend.test (mail.friend.test [192.0.2.1])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\t(No client certificate requested)\r\n\tby backup.example.org (Postfix) with ESMTPS id 4AbC\r\n\tfor <alice@example.org>; Sun, 22 Nov 2026 03:04:05 +0000 (UTC)",
    "backup.example.org < 192.0.2.1 mail.friend.test",
  ],
  [
    "Postfix of an unknown client",
    " from evil (unknown [192.0.2.1]) by backup.example.org (Postfix) with SMTP id 4AbC; Sun, 22 Nov 2026 03:04:05 +0000 (UTC)",
    "backup.example.org < 192.0.2.1 evil",
  ],
  [
    "Postfix over IPv6",
    ` from a.test (a.test [IPv6:2001:db8::1]) by b.test (Postfix) with ESMTP id 1${DATE}`,
    "b.test < 2001:db8::1 a.test",
  ],
  [
    "Postfix of its own mail",
    " by backup.example.org (Postfix, from userid 0)\r\n id 4AbC; Sun, 22 Nov 2026 03:04:05 +0000 (UTC)",
    "backup.example.org < itself",
  ],
  [
    "Postern",
    ` from mail.friend.test ([192.0.2.1]) by mx.example.org (Postern) with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) id 01ABC for <alice@example.org>${DATE}`,
    "mx.example.org < 192.0.2.1 mail.friend.test",
  ],
  [
    "Exim",
    ` from rdns.friend.test ([192.0.2.1] helo=mail.friend.test) by backup.example.org with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384 (Exim 4.97) (envelope-from <a@friend.test>) id 1abc-def for alice@example.org${DATE}`,
    "backup.example.org < 192.0.2.1 mail.friend.test",
  ],
  [
    "Exim of a client without a name",
    ` from [192.0.2.1] (helo=mail.friend.test) by backup.example.org with esmtp (Exim 4.97) id 1abc${DATE}`,
    "backup.example.org < 192.0.2.1 mail.friend.test",
  ],
  [
    "Exim with a port",
    ` from [192.0.2.1]:40000 (helo=x.test) by backup.example.org with esmtp id 1abc${DATE}`,
    "backup.example.org < 192.0.2.1 x.test",
  ],
  [
    "Exchange",
    ` from mail.friend.test (192.0.2.1) by HUB.example.org (10.0.0.1) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_X) id 15.1.2; Sun, 22 Nov 2026 03:04:05 +0000`,
    "hub.example.org < 192.0.2.1 mail.friend.test",
  ],
  [
    "Exchange online over IPv6",
    ` from A.outlook.test (2001:db8:206:26b::5) by B.outlook.test (2001:db8:206:263::11) with Microsoft SMTP Server (version=TLS1_3, cipher=TLS_X) id 15.20.8${DATE}`,
    "b.outlook.test < 2001:db8:206:26b::5 A.outlook.test",
  ],
  [
    "Google",
    " from mail-a.google.test (mail-a.google.test. [192.0.2.1])\r\n        by mx.google.test with ESMTPS id abc\r\n        for <alice@example.org>\r\n        (version=TLS1_3 cipher=TLS_X bits=256/256);\r\n        Sun, 22 Nov 2026 03:04:05 -0800 (PST)",
    "mx.google.test < 192.0.2.1 mail-a.google.test",
  ],
  [
    "sendmail of a doubtful name",
    ` from x.test (y.test [192.0.2.1] (may be forged)) by b.test (8.17/8.17) with ESMTP id 1${DATE}`,
    "b.test < 192.0.2.1 x.test",
  ],
  [
    "OpenSMTPD",
    ` from x.test (<unknown> [192.0.2.1]) by b.test (OpenSMTPD) with ESMTPS id 1 (TLSv1.3:X:256:NO) for <a@example.org>${DATE}`,
    "b.test < 192.0.2.1 x.test",
  ],
] as const)
  test(`the field that ${writer} writes is read`, () => assert.equal(hop(value), expected));

// What a client may say in HELO, in the places where servers repeat it without a change.
const POSTFIX = (helo: string) =>
  ` from ${helo} (real.test [192.0.2.66]) by relay.test (Postfix) with SMTP id 1${DATE}`;
const EXIM = (helo: string) =>
  ` from rdns.test ([192.0.2.66] helo=${helo}) by relay.test with smtp id 1${DATE}`;
const EXIM_NAMELESS = (helo: string) =>
  ` from [192.0.2.66] (helo=${helo}) by relay.test with smtp id 1${DATE}`;

for (const helo of [
  "[198.51.100.1]",
  "x ([198.51.100.1])",
  "x (a.test [198.51.100.1])",
  "x ([198.51.100.1]) by relay.test",
  `x ([198.51.100.1]) by relay.test with SMTP id 1${DATE}`,
  `x ([198.51.100.1]) by relay.test with SMTP id 1${DATE} (`,
  `x ([198.51.100.1]) by relay.test with SMTP id 1${DATE} \\`,
  "x ([198.51.100.1]) by relay.test (",
  "x ([198.51.100.1]) by relay.test id (",
  "x) ([198.51.100.1])",
  "([198.51.100.1])",
  "198.51.100.1",
  "helo=[198.51.100.1]",
  "x helo=[198.51.100.1]",
  '"x ([198.51.100.1]) by relay.test"',
  '"',
  "<",
  "<x> ([198.51.100.1])",
  "x;",
  `x${DATE}`,
  "x by relay.test",
  "x\r\n\tby relay.test",
  "[IPv6:2001:db8::1]",
  "\\",
  "(",
])
  test(`a HELO of ${JSON.stringify(helo)} does not become the address of the client`, () => {
    for (const write of [POSTFIX, EXIM, EXIM_NAMELESS]) {
      const read = parseReceived(write(helo));
      if (read.kind === "hop") {
        assert.equal(read.by, "relay.test");
        assert.equal(read.from?.ip, "192.0.2.66");
      }
    }
  });

test("whatever a client says in HELO, its address is not another one", () => {
  const piece = fc.constantFrom(
    "x",
    " ",
    "(",
    ")",
    "[198.51.100.1]",
    "by",
    "relay.test",
    ";",
    '"',
    "\\",
    "<",
    ">",
    "helo=",
    "id",
    "with",
    "from",
    "\t",
    DATE,
  );
  const helos = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(helos, (helo) => {
      for (const write of [POSTFIX, EXIM, EXIM_NAMELESS]) {
        const read = parseReceived(write(helo));
        if (read.kind === "hop" && read.from?.ip !== "192.0.2.66") return false;
      }
      return true;
    }),
    { numRuns: process.env.POSTERN_TEST_FULL === "1" ? 200_000 : 3000 },
  );
});

for (const [what, value] of [
  ["without a date", " from a.test (a.test [192.0.2.1]) by b.test with SMTP id 1"],
  ["without by", ` from a.test (a.test [192.0.2.1]) with SMTP id 1${DATE}`],
  ["without an address", ` from a.test by b.test with SMTP id 1${DATE}`],
  [
    "with the address only where the client speaks",
    ` from [192.0.2.1] by b.test with SMTP id 1${DATE}`,
  ],
  ["with two by", ` from a.test ([192.0.2.1]) by b.test by c.test with SMTP id 1${DATE}`],
  ["with two addresses in the brackets", ` from a.test ([192.0.2.1] [192.0.2.2]) by b.test${DATE}`],
  ["with words that have no place", ` from a.test ([192.0.2.1]) by b.test maybe with SMTP${DATE}`],
  ["with clauses out of order", ` by b.test from a.test ([192.0.2.1]) with SMTP${DATE}`],
  ["with a bracket that does not close", ` from a.test ([192.0.2.1] by b.test with SMTP${DATE}`],
  ["with octets above 127", ` from \u00e4.test ([192.0.2.1]) by b.test${DATE}`],
  ["with an address that is none", ` from a.test ([192.0.2.999]) by b.test${DATE}`],
  ["with an octal address", ` from a.test ([0300.0.2.1]) by b.test${DATE}`],
  ["with more behind the date", ` from a.test ([192.0.2.1]) by b.test${DATE} x`],
  ["that is empty", ""],
  ["that is huge", ` from a.test ([192.0.2.1]) by b.test (${"x".repeat(100_000)})${DATE}`],
] as const)
  test(`a field ${what} is not read`, () => assert.match(hop(value), /^unreadable: /));
