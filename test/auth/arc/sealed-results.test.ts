import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readSealedDmarc } from "../../../src/auth/arc/sealed-results.ts";

const PASS = { result: "pass", from: "example.org" };

test("the result of DMARC is read in the forms that sealers write", () => {
  for (const text of [
    " mx.list.test; dmarc=pass header.from=example.org",
    " mx.list.test; spf=pass smtp.mailfrom=a@b.test; dmarc=pass header.from=example.org; dkim=none",
    " mx.list.test; dmarc=pass (p=REJECT sp=NONE dis=NONE) header.from=example.org",
    " mx.list.test;dmarc=pass(p=reject)header.from=example.org",
    " mx.list.test; dmarc=pass action=none header.from=example.org;compauth=pass reason=100",
    " mx.list.test 1; dmarc/1 = pass header.from = example.org",
    " mx.list.test;\r\n\tdmarc=pass\r\n header.from=Example.ORG",
    ' mx.list.test; dmarc=pass reason="a; b" header.from=example.org',
    " mx.list.test; DMARC=Pass Header.From=example.org",
    " mx.list.test; dmarc=pass header.from=alice@example.org",
    " mx.list.test; (dmarc=fail;) dmarc=pass header.from=example.org",
  ])
    assert.deepEqual(readSealedDmarc(text), PASS, text);
});

test("other results, and a domain that is not told, are what they are", () => {
  const read = (text: string) => readSealedDmarc(` mx.list.test; ${text}`);
  assert.deepEqual(read("dmarc=fail header.from=example.org"), { ...PASS, result: "fail" });
  assert.deepEqual(read("dmarc=pass"), { result: "pass", from: null });
  assert.deepEqual(read("dmarc=pass (header.from=example.org)"), { result: "pass", from: null });
  assert.deepEqual(read('dmarc=pass x="header.from=example.org"'), { result: "pass", from: null });
  assert.deepEqual(read("dmarc=pass header.from=x..y"), { result: "pass", from: null });
  assert.deepEqual(read("dmarc=pass xheader.from=example.org"), { result: "pass", from: null });
});

test("what only looks like a result of DMARC is none", () => {
  for (const text of [
    "",
    " mx.list.test; spf=pass",
    " mx.list.test; x-dmarc=pass header.from=example.org",
    " mx.list.test; dmarc2=pass header.from=example.org",
    " mx.list.test; dmarc/2=pass header.from=example.org",
    " mx.list.test; (dmarc=pass header.from=example.org)",
    " mx.list.test; (a (b) ; dmarc=pass header.from=example.org",
    " mx.list.test; (\\) ; dmarc=pass header.from=example.org)",
    ' mx.list.test; spf=pass reason="; dmarc=pass header.from=example.org"',
    ' mx.list.test; spf=pass reason="\\"; dmarc=pass header.from=example.org"',
    ' mx.list.test; spf=pass reason="open; dmarc=pass header.from=example.org',
    " mx.list.test; dmarc=pass; dmarc=pass header.from=example.org",
    " mx.list.test; dmarc=fail header.from=a.test; dmarc=pass header.from=example.org",
    " mx.list.test; dmarc=passed.by.me",
    ` mx.list.test; dmarc=${"pass".repeat(9)} header.from=example.org`,
  ])
    assert.equal(readSealedDmarc(text), null, text);
});

test("results that are too long to be honest are none: nothing is cut to another name", () => {
  const most = 8192;
  const start = " mx.list.test; dmarc=pass header.from=";
  const padded = (text: string) =>
    `${" ".repeat(most - start.length - text.length)}${start}${text}`;
  assert.deepEqual(readSealedDmarc(padded("example.org")), PASS);
  assert.equal(readSealedDmarc(`${padded("example.org")}.evil.test`), null);
});

test("no text of a stranger in a comment or a quoted string is read as a result, or throws", () => {
  const words = fc.array(
    fc.constantFrom("; dmarc=pass header.from=evil.test", "(", "x", " ", "\r\n "),
  );
  fc.assert(
    fc.property(words, (parts) => {
      const quoted = `"${parts.join("")}"`;
      assert.equal(readSealedDmarc(` mx.list.test; spf=fail reason=${quoted}`), null);
    }),
  );
  const any = fc.array(
    fc.constantFrom("(", ")", '"', "\\", ";", "dmarc=pass", " ", "header.from=a.b"),
  );
  fc.assert(fc.property(any, (parts) => void readSealedDmarc(parts.join(""))));
});
