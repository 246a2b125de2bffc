import assert from "node:assert/strict";
import { test } from "node:test";
import type { Address } from "../../../src/mail/address.ts";
import { parseForwardPath } from "../../../src/mail/address.ts";
import { causeOf, type Hub, run, spoken } from "../../support/judge-recipient.ts";

const TAKEN = [
  "<alice@example.org>",
  "<ALICE@EXAMPLE.ORG>",
  "<o'hara+tag@example.org>",
  "<a.b-c_d@example.org>",
  "<{braces}|pipe/slash=equals@example.org>",
  '<"two words"@example.org>',
  "<alice@list.example.org>",
  "<postmaster@list.example.org>",
  "<PostMaster@hub.example.org>",
  "<abuse@hub.example.org>",
  "<postmaster>",
  "<POSTMASTER>",
  "<jürgen@example.org>",
  "<alice@münchen.example>",
  "<alice@xn--mnchen-3ya.example>",
];

for (const path of TAKEN) {
  test(`${path} is taken`, async () => {
    assert.equal((await run(spoken(path))).kind, "neutral");
  });
}

/** None of them may pass, whether the grammar refuses it or this stage does. */
const TRAPS = [
  // Other domains, and those that look alike.
  "<victim@example.net>",
  "<victim@org>",
  "<victim@sub.example.org>",
  "<victim@notexample.org>",
  "<victim@example.org.evil.net>",
  "<victim@example.orgevil.net>",
  "<victim@xexample.org>",
  "<victim@-example.org>",
  "<victim@example.org->",
  "<victim@.example.org>",
  "<victim@example..org>",
  "<victim@example.org.>",
  "<victim@example.net.>",
  "<victim@ example.org>",
  "<victim@example.org >",
  "<victim@example.org\t>",
  "<victim@example.org\0>",
  "<victim@example.org\0.evil.net>",
  "<victim@evil.net\0example.org>",
  "<victim@example.org\r\nRCPT TO:<x@evil.net>>",
  "<victim@example,org>",
  "<victim@example.org,evil.net>",
  "<victim@example.org;evil.net>",
  "<victim@example.org/evil.net>",
  "<victim@example.org#evil.net>",
  "<victim@example.org?evil.net>",
  "<victim@example.org(evil.net)>",
  "<victim@(comment)example.org>",
  "<victim@example.org:25>",
  // The percent hack, bang paths, and routes.
  "<victim%evil.net@example.org>",
  "<victim%evil.net%example.org@example.org>",
  "<%@example.org>",
  "<victim%evil.net@list.example.org>",
  "<victim%evil.net>",
  "<evil.net!victim@example.org>",
  "<evil.net!victim>",
  "<example.org!evil.net!victim@example.org>",
  "<!@example.org>",
  "<@example.org:victim@evil.net>",
  "<@evil.net:victim@example.org>",
  "<@example.org,@evil.net:victim@example.org>",
  "<@example.org>",
  "<evil.net::victim@example.org>",
  "<SMTP:victim@evil.net@example.org>",
  // Two @, with quotes and without.
  "<victim@evil.net@example.org>",
  "<victim@example.org@evil.net>",
  "<victim@@example.org>",
  '<"victim@evil.net"@example.org>',
  '<"victim%evil.net"@example.org>',
  '<"evil.net!victim"@example.org>',
  '<"@evil.net:victim"@example.org>',
  '<"victim\\@evil.net"@example.org>',
  '<"victim"@evil.net@example.org>',
  '<victim"@evil.net"@example.org>',
  '<"victim@evil.net>@example.org>',
  '<"victim@evil.net@example.org>',
  '<"victim" @example.org>',
  '<"victim@evil.net">',
  "<victim\\@evil.net@example.org>",
  // Literals and numbers.
  "<victim@[192.0.2.1]>",
  "<victim@[127.0.0.1]>",
  "<victim@[IPv6:::1]>",
  "<victim@[example.org]>",
  "<victim@192.0.2.1>",
  "<victim@#3221225985>",
  "<victim@[]>",
  // Unicode that somebody maps to ASCII.
  "<victim＠evil.net@example.org>",
  "<victim％evil.net@example.org>",
  "<evil.net！victim@example.org>",
  "<victim﹫evil.net@example.org>",
  "<victim@ｅｘａｍｐｌｅ.org>",
  "<victim@example。org>",
  "<victim@exam\u00adple.org>",
  "<victim@ex\u200bample.org>",
  "<victim@еxample.org>",
  "<victim@xn--example-.org>",
  // No domain at all.
  "<victim>",
  "<abuse>",
  "<postmaster@>",
  "<@>",
  "<>",
  "<postmaster@evil.net>",
  "<abuse@evil.net>",
  "victim@example.org",
  "<<victim@example.org>>",
];

for (const path of TRAPS) {
  test(`${JSON.stringify(path)} is not relayed`, async () => {
    const parsed = parseForwardPath(path, { smtpUtf8: true });
    if (parsed.kind === "refused") return;
    const hub: Hub = { asked: [] };
    assert.equal(causeOf(await run(parsed.address, hub)), "relay-denied");
    assert.deepEqual(hub.asked, []);
  });
}

test("an address that a laxer parser let through is still not relayed", async () => {
  const forms: readonly Address[] = [
    { spoken: "@evil.net:victim@example.org", localPart: "victim", domain: "example.org" },
    { spoken: "victim@evil.net", localPart: "victim@evil.net", domain: "" },
    { spoken: "victim@example.org.", localPart: "victim", domain: "example.org" },
    { spoken: "victim@evil.net@example.org", localPart: "victim", domain: "example.org" },
    {
      spoken: "victim＠evil.net@example.org",
      localPart: "victim＠evil.net",
      domain: "example.org",
    },
    { spoken: "victim@[192.0.2.1]", localPart: "victim", domain: "example.org" },
    { spoken: "postmaster@evil.net", localPart: "postmaster", domain: "" },
  ];
  for (const address of forms) {
    assert.equal(causeOf(await run(address)), "relay-denied", address.spoken);
  }
});
