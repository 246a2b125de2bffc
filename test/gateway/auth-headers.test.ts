import assert from "node:assert/strict";
import { test } from "node:test";
import { authenticationResults } from "../../src/gateway/auth-headers.ts";
import { sealMessage } from "../support/arc-sealer.ts";
import { makeRsaKey, signMessage } from "../support/dkim-signer.ts";
import { judgeSender } from "../support/judge-stages.ts";
import { toZoneResolver } from "../support/zone-resolver.ts";

const OURS = "mx.example.org";

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

test("one field has all methods, each result with what it is about", async () => {
  const key = makeRsaKey(1024);
  const plain = "From: a@example.org\r\nSender: list@lists.test\r\nSubject: x\r\n\r\nHello\r\n";
  const results = "dmarc=pass header.from=example.org";
  const message = sealMessage(plain, {
    key,
    domain: "lists.test",
    results,
    signed: "from:subject",
  });
  const zone = {
    "TXT s1._domainkey.lists.test": [key.record],
    "TXT lists.test": ["v=spf1 ip6:2001:db8::7 -all"],
    "TXT _dmarc.example.org": ["v=DMARC1; p=reject"],
  };
  const judged = await judgeSender({
    message,
    ip: "2001:db8::7",
    sender: "bounce@lists.test",
    resolver: toZoneResolver(zone),
    all: true,
    options: { arc: { trustedSealers: ["lists.test"] }, "sender-id": { scopes: ["pra", "mfrom"] } },
  });
  assert.deepEqual(authenticationResults(OURS, judged).split("; "), [
    OURS,
    "spf=pass smtp.mailfrom=lists.test",
    "sender-id=pass header.sender=lists.test",
    "sender-id=pass smtp.mailfrom=lists.test",
    "dkim=none",
    'arc=pass header.d=lists.test smtp.remote-ip="2001:db8::7"',
    "dmarc=fail header.from=example.org policy.dmarc=reject",
  ]);
});

test("why Sender ID and ARC failed is told, and a mail without an author has no property", async () => {
  const judged = await judgeSender({
    message: "ARC-Seal: i=1\r\nSubject: x\r\n\r\nHello\r\n",
    resolver: toZoneResolver({}),
    all: true,
  });
  const value = authenticationResults(OURS, judged);
  assert.match(value, /; sender-id=fail reason=no-field; dkim=none; arc=fail reason="set 1 /);
  assert.match(value, / smtp\.remote-ip=198\.51\.100\.66; dmarc=permerror /);
});

test("nothing that stands in a chain or in a responsible address becomes a result of ours", async () => {
  const key = makeRsaKey(1024);
  const froms = ['"; dmarc=pass header.from=x"@evil.test', '"a\\"; arc=pass"@evil.test'];
  for (const from of froms) {
    const plain = `From: a@example.org\r\nResent-From: ${from}\r\nSubject: x\r\n\r\nHello\r\n`;
    const sealed = sealMessage(plain, {
      key,
      domain: "evil.test",
      selector: "x; dmarc=pass",
      results: "x=(\r\n ; dmarc=pass header.from=example.org",
      signed: "from:subject",
    });
    for (const message of [sealed, plain]) {
      const judged = await judgeSender({
        message,
        resolver: toZoneResolver({}),
        all: true,
      });
      const value = authenticationResults(OURS, judged);
      assert.match(value, /^[\x20-\x7e]*$/);
      const outside = value.replace(/"(?:[^"\\]|\\.)*"/g, "Q");
      assert.deepEqual(
        outside.split("; ").map((part) => part.split("=")[0]),
        [OURS, "spf", "sender-id", "dkim", "arc", "dmarc"],
      );
      assert.doesNotMatch(outside, /pass/);
    }
  }
});
