import assert from "node:assert/strict";
import { test } from "node:test";
import { authenticationResults, claimsAuthservId } from "../../src/gateway/auth-headers.ts";
import { makeRsaKey, signMessage } from "../support/dkim-signer.ts";
import { judgeSender } from "../support/judge-stages.ts";
import { toZoneResolver } from "../support/zone-resolver.ts";

const OURS = "mx.example.org";

test("an inbound Authentication-Results that bears our name is recognised in every disguise", () => {
  for (const value of [
    " mx.example.org; spf=pass",
    " MX.Example.ORG; spf=pass",
    "\r\n\tmx.example.org;\r\n spf=pass",
    " (comment) mx.example.org 1; dkim=pass",
    " (nested (comment \\) here)) mx.example.org;none",
    ' "mx.example.org"; spf=pass',
    ' "mx\\.example.org"; spf=pass',
    " mx.example.org.; spf=pass",
    "mx.example.org(x); spf=pass",
    "mx.example.org",
  ])
    assert.ok(claimsAuthservId("authentication-results", value, OURS), JSON.stringify(value));
});

test("results of other hosts stay", () => {
  for (const value of [
    " mx.example.net; spf=pass",
    " notmx.example.org; spf=pass",
    " mx.example.org.evil.test; spf=pass",
    " (mx.example.org) other.test; spf=pass",
    " other.test; x=mx.example.org",
    "",
    " (unclosed mx.example.org",
  ])
    assert.ok(!claimsAuthservId("authentication-results", value, OURS), JSON.stringify(value));
});

test("a Received-SPF that names us anywhere is ours or forged", () => {
  const forged = " pass (MX.example.org: fine) client-ip=192.0.2.1";
  assert.ok(claimsAuthservId("received-spf", forged, OURS));
  assert.ok(!claimsAuthservId("received-spf", " pass (other.test: fine)", OURS));
});

test("one field tells the results of SPF, of each DKIM signature, and of DMARC with its policy", async () => {
  const key = makeRsaKey(1024);
  const plain = "From: a@example.org\r\nSubject: x\r\n\r\nHello\r\n";
  const options = { key, domain: "example.org", signed: "from:subject" };
  const message = signMessage(signMessage(plain, options), { ...options, more: "; x=1" });
  const zone = {
    "TXT s1._domainkey.example.org": [key.record],
    "TXT _dmarc.example.org": ["v=DMARC1; p=reject"],
  };
  const reports = await judgeSender({ message, resolver: toZoneResolver(zone) });
  const [id, spf, expired, good, dmarc] = authenticationResults(OURS, reports).split("; ");
  assert.deepEqual([id, spf], [OURS, "spf=none smtp.mailfrom=evil.test"]);
  const rest =
    /header\.d=example\.org header\.i="@example\.org" header\.s=s1 header\.b="?[^ ]{8}"?$/;
  assert.match(expired ?? "", /^dkim=fail reason=expired /);
  assert.match(expired ?? "", rest);
  assert.match(good ?? "", /^dkim=pass header/);
  assert.match(good ?? "", rest);
  assert.equal(dmarc, "dmarc=pass header.from=example.org policy.dmarc=reject");
});

test("nothing that a sender writes into a signature or a name becomes a result of ours", async () => {
  for (const domain of [
    "e.test; dmarc=pass",
    'e.test"; dmarc=pass',
    "e.test (x)",
    "e.test\r\n x",
  ]) {
    const key = makeRsaKey(1024);
    const plain = "From: a@example.org\r\nSubject: x\r\n\r\nHello\r\n";
    const more = '; i="; dmarc=pass header.from=x"@e.test';
    const message = signMessage(plain, { key, domain, selector: 'x"y', more });
    const reports = await judgeSender({ message, resolver: toZoneResolver({}) });
    const value = authenticationResults(OURS, reports);
    assert.match(value, /^[\x20-\x7e]*$/);
    const outside = value.replace(/"(?:[^"\\]|\\.)*"/g, "Q");
    assert.deepEqual(
      outside.split("; ").map((part) => part.split("=")[0]),
      [OURS, "spf", "dkim", "dmarc"],
    );
    assert.doesNotMatch(outside, /pass/);
  }
});
