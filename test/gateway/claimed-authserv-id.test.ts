import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { claimsAuthservId } from "../../src/gateway/claimed-authserv-id.ts";

const OURS = "mx.example.org";
const utf8 = (text: string) => Buffer.from(text).toString("latin1");
const claims = (value: string) => claimsAuthservId("authentication-results", value, OURS);

const DISGUISES = {
  "as it is": " mx.example.org; spf=pass",
  "without a blank": "mx.example.org;spf=pass",
  "alone, without results": "mx.example.org",
  "with no-result": " mx.example.org; none",
  "in other case": " MX.Example.ORG; spf=pass",
  folded: "\r\n\tmx.example.org;\r\n spf=pass",
  "folded with bare LF": "\n mx.example.org;\n spf=pass",
  "behind a fold of blanks alone": "\r\n \r\n mx.example.org; spf=pass",
  "with a version": " mx.example.org 1; dkim=pass",
  "with a version after a fold": " mx.example.org\r\n 1; dkim=pass",
  "with a version that does not exist": " mx.example.org 9; dkim=pass",
  "with a version behind a slash": " mx.example.org/1; dkim=pass",
  "behind a comment": " (comment) mx.example.org; dkim=pass",
  "behind a comment with other names": " (other.test; x) mx.example.org; dkim=pass",
  "behind nested comments": " (nested (comment \\) here)) mx.example.org;none",
  "behind two comments": "(a)(b)mx.example.org;none",
  "before a comment": "mx.example.org(x); spf=pass",
  "before a comment that holds a quote": 'mx.example.org("); spf=pass',
  "between its version and a comment": "mx.example.org (x) 1 (y); spf=pass",
  "cut by a comment": "mx.(x)example.org; spf=pass",
  "cut by blanks": " mx . example . org; spf=pass",
  "cut by a fold": " mx.\r\n example.org; spf=pass",
  quoted: ' "mx.example.org"; spf=pass',
  "quoted with a pair": ' "mx\\.example\\.org"; spf=pass',
  "quoted with blanks": ' " mx.example.org "; spf=pass',
  "quoted with its version": ' "mx.example.org 1"; spf=pass',
  "quoted in pieces": ' "mx"."example".org; spf=pass',
  "in a quoted string without an end": ' "mx.example.org; spf=pass',
  "with a final dot": " mx.example.org.; spf=pass",
  "with two final dots": " mx.example.org..; spf=pass",
  "quoted with a final dot": ' "mx.example.org."; spf=pass',
  "with a wrong separator": " mx.example.org, spf=pass",
  "with an equals sign": " mx.example.org=1; spf=pass",
  "behind a control character": " \x01mx.example.org; spf=pass",
  "with a control character in it": " mx.exam\x02ple.org; spf=pass",
  "before a control character": " mx.example.org\x7f; spf=pass",
  "behind a byte order mark": utf8(" \ufeffmx.example.org; spf=pass"),
  "with a soft hyphen": utf8(" mx.exam\u00adple.org; spf=pass"),
  "with an invisible joiner": utf8(" mx.example\u200b.org; spf=pass"),
  "in full-width letters": utf8(" ｍｘ.example.org; spf=pass"),
  "with an ideographic full stop": utf8(" mx。example。org; spf=pass"),
  "behind a no-break space": utf8(" \u00a0mx.example.org; spf=pass"),
  "as an encoded word": " =?utf-8?q?mx.example.org?=; spf=pass",
  "as an encoded word in base64": " =?utf-8?b?bXguZXhhbXBsZS5vcmc=?=; spf=pass",
  "as two encoded words": " =?utf-8?q?mx.exam?= =?utf-8?q?ple.org?=; spf=pass",
  "all of it an encoded word": " =?utf-8?q?mx.example.org;_dmarc=3Dpass?=",
  "in a comment without an end": " (unclosed mx.example.org; spf=pass",
};

for (const [name, value] of Object.entries(DISGUISES))
  test(`our name in an inbound Authentication-Results is recognised ${name}`, () => {
    assert.ok(claims(value), JSON.stringify(value));
  });

test("results of other hosts stay", () => {
  for (const value of [
    " mx.example.net; spf=pass",
    " example.org; spf=pass",
    " notmx.example.org; spf=pass",
    " a.mx.example.org; spf=pass",
    " mx.example.org.evil.test; spf=pass",
    " mx.example.org-evil.test; spf=pass",
    ' "mx.example.org.evil.test"; spf=pass',
    " (mx.example.org) other.test; spf=pass",
    " other.test (mx.example.org); spf=pass",
    ' "other.test(mx.example.org"; spf=pass',
    " other.test; spf=pass smtp.mailfrom=a@mx.example.org",
    " other.test; x=mx.example.org",
    ' other.test; reason="mx.example.org; spf=pass"',
    "; mx.example.org",
    "",
    " (unclosed mx.example.net",
  ])
    assert.ok(!claims(value), JSON.stringify(value));
});

test("a Received-SPF that names us anywhere is ours or forged", () => {
  const isOurs = (value: string) => claimsAuthservId("received-spf", value, OURS);
  assert.ok(isOurs(" pass (MX.example.org: fine) client-ip=192.0.2.1"));
  assert.ok(isOurs(" pass (fine) receiver=mx.\r\n example.org"));
  assert.ok(!isOurs(" pass (other.test: fine)"));
});

test("comments, quotes and blanks around our name never hide it, and nothing makes it throw", () => {
  const noise = fc.constantFrom(" ", "\t", "\r\n ", "(x)", "(a(b)c)", '(")', "(\\))", "\x01");
  fc.assert(
    fc.property(fc.array(noise), fc.array(noise), fc.boolean(), (before, after, isQuoted) => {
      const name = isQuoted ? `"${OURS}"` : OURS;
      const value = `${before.join("")}${name}${after.join("")}; dmarc=pass`;
      assert.ok(claims(value), JSON.stringify(value));
    }),
  );
  const any = fc.array(fc.oneof(noise, fc.constantFrom("(", ")", '"', "\\", ";", "mx", "=?q?")));
  fc.assert(fc.property(any, (parts) => void claims(parts.join(""))));
});
