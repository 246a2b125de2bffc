import assert from "node:assert/strict";
import { test } from "node:test";
import {
  coverage,
  isTooWide,
  mostSpecific,
  parseDomainPattern,
  patternsFor,
} from "../../src/policy/domain-pattern.ts";

test("a pattern is read into lower-case A-labels", () => {
  assert.equal(parseDomainPattern("EXAMPLE.Org"), "example.org");
  assert.equal(parseDomainPattern("bücher.example"), "xn--bcher-kva.example");
  assert.equal(parseDomainPattern("*.Example.org"), "*.example.org");
  assert.equal(parseDomainPattern("*"), "*");
});

test("what is no domain is no pattern", () => {
  const texts = ["", "*.", "*example.org", "a.*.org", "example.org.", ".org", "10.0.0.1", "[::1]"];
  for (const text of [...texts, "a b.org", "a\0.org", "**.org", "*.10.0"])
    assert.equal(parseDomainPattern(text), null, JSON.stringify(text));
});

test("a wildcard covers subdomains at any depth, and not the domain itself", () => {
  assert.equal(coverage(["*.example.org"])("a.example.org"), true);
  assert.equal(coverage(["*.example.org"])("a.b.example.org"), true);
  assert.equal(coverage(["*.example.org"])("example.org"), false);
  assert.equal(coverage(["*.example.org"])("badexample.org"), false);
  assert.equal(coverage(["example.org"])("a.example.org"), false);
  assert.equal(coverage(["*"])("anything.example"), true);
});

test("patterns for a domain come most specific first", () => {
  const expected = ["a.b.example.org", "*.b.example.org", "*.example.org", "*.org", "*"];
  assert.deepEqual([...patternsFor("a.b.example.org")], expected);
});

test("a pattern contains what it covers wholly", () => {
  assert.equal(coverage(["*.example.org"])("*.a.example.org"), true);
  assert.equal(coverage(["*.a.example.org"])("*.example.org"), false);
  assert.equal(coverage(["*.example.org"])("example.org"), false);
  assert.equal(coverage(["*"])("*.example.org"), true);
  assert.equal(coverage(["example.org"])("*.example.org"), false);
});

test("a wildcard under which strangers register is too wide", () => {
  for (const pattern of ["*", "*.com", "*.org", "*.co.uk", "*.com.au", "*.gov.uk"])
    assert.equal(isTooWide(pattern), true, pattern);
  for (const pattern of [
    "*.example.org",
    "example.org",
    "*.example.co.uk",
    "*.corp.example",
    "org",
  ])
    assert.equal(isTooWide(pattern), false, pattern);
});

test("the most specific pattern wins, whatever the order of the patterns", () => {
  const names = ["*", "*.example.org", "a.example.org", "*.a.example.org"];
  for (const order of [names, names.toReversed()]) {
    const byPattern = new Map(order.map((name) => [name, { name }]));
    assert.deepEqual(mostSpecific(byPattern, "a.example.org"), { name: "a.example.org" });
    assert.deepEqual(mostSpecific(byPattern, "c.b.a.example.org"), { name: "*.a.example.org" });
    assert.deepEqual(mostSpecific(byPattern, "b.example.org"), { name: "*.example.org" });
    assert.deepEqual(mostSpecific(byPattern, "example.org"), { name: "*" });
  }
  assert.equal(mostSpecific(new Map([["*.example.org", {}]]), "example.org"), null);
});
