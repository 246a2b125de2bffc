import assert from "node:assert/strict";
import { test } from "node:test";
import { expandDomain, expandText } from "../../../src/auth/spf/expand-macro.ts";
import {
  parseDomainSpec,
  parseExplainString,
  parseMacroString,
} from "../../../src/auth/spf/macro-string.ts";
import { createSpfRun } from "../../../src/auth/spf/spf-run.ts";
import { createSpfTrace } from "../../../src/auth/spf/spf-trace.ts";
import { createDnsResolver } from "../../../src/net/dns-resolver.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { createLookupScope } from "../../../src/net/resolver.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

/** RFC 7208 7.4: the sender strong-bad@email.example.com from 192.0.2.3. */
function place(ip = "192.0.2.3", localPart = "strong-bad") {
  const address = parseIp(ip);
  assert.ok(address);
  const subject = {
    ip: address,
    localPart,
    senderDomain: "email.example.com",
    helo: "mx.example.org",
    receiver: "mx.example.net",
    timestamp: 1767225600,
  };
  const trace = createSpfTrace();
  const resolver = createDnsResolver({ clock: createFakeClock(), servers: [] });
  const scope = createLookupScope(new AbortController().signal);
  const run = createSpfRun(subject, trace, resolver, scope);
  return { run, term: trace.begin("x", "x"), domain: "email.example.com", counted: true };
}

async function expand(text: string, where = place()): Promise<string> {
  const macros = parseMacroString(text);
  assert.ok(macros, text);
  const expanded = await expandText(macros, where, 1000);
  assert.ok(typeof expanded === "string");
  return expanded;
}

test("macros expand as in the examples of RFC 7208 7.4", async () => {
  const examples = [
    ["%{s}", "strong-bad@email.example.com"],
    ["%{o}", "email.example.com"],
    ["%{d}", "email.example.com"],
    ["%{d4}", "email.example.com"],
    ["%{d3}", "email.example.com"],
    ["%{d2}", "example.com"],
    ["%{d1}", "com"],
    ["%{dr}", "com.example.email"],
    ["%{d2r}", "example.email"],
    ["%{l}", "strong-bad"],
    ["%{l-}", "strong.bad"],
    ["%{lr}", "strong-bad"],
    ["%{lr-}", "bad.strong"],
    ["%{l1r-}", "strong"],
    ["%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"],
    ["%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"],
    ["%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"],
    ["%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"],
    [
      "%{h} %{c} %{r} %{t}".replaceAll(" ", "%_"),
      "mx.example.org 192.0.2.3 mx.example.net 1767225600",
    ],
    ["%%%_%-", "% %20"],
  ];
  for (const [text = "", expected] of examples) assert.equal(await expand(text), expected, text);
});

test("an IPv6 address expands to its nibbles", async () => {
  const expanded = await expand("%{ir}.%{v}._spf.%{d2}", place("2001:db8::cb01"));
  const nibbles = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2";
  assert.equal(expanded.toLowerCase(), `${nibbles}.ip6._spf.example.com`);
});

test("an upper-case letter escapes every octet that is not unreserved", async () => {
  const where = place("192.0.2.3", "a b/ü\u{1F600}'~\ud800");
  assert.equal(await expand("%{L}", where), "a%20b%2F%C3%BC%F0%9F%98%80%27~%EF%BF%BD");
});

test("a name that is too long loses labels on the left, however long it is", async () => {
  const macros = parseDomainSpec(`${"%{s}.".repeat(3000)}%{d}`);
  assert.ok(macros);
  const name = await expandDomain(macros, place());
  assert.ok(typeof name === "string");
  assert.ok(name.length <= 253 && name.length > 200);
  assert.ok(name.startsWith("strong-bad@email.") || /^(email|example|com)\./.test(name), name);
  assert.ok(name.endsWith("strong-bad@email.example.com.email.example.com"));
});

test("a domain ends in a macro or in a label that is no number", () => {
  const good = ["a.b", ".b", "%{d}", "a.%{d}", "%{d}.com", "a.b-c", "a.1b", "a.b.", "x%%", "a:/.b"];
  for (const text of good) assert.ok(parseDomainSpec(text), text);
  const bad = [
    "",
    "b",
    "b.",
    "a.1",
    "a.-b",
    "a.b-",
    "a..",
    "%{d}com",
    "a b.c",
    "a.b%",
    "%{d",
    "é.b",
  ];
  for (const text of bad) assert.equal(parseDomainSpec(text), null, text);
});

test("a macro with a wrong letter, digits or delimiter is a syntax error", () => {
  for (const text of ["%{z}", "%{d0}", "%{d00}", "%{rd}", "%{d!}", "%{}", "%{dr2}", "%a", "%"])
    assert.equal(parseMacroString(text), null, text);
  for (const letter of "crtCRT") assert.equal(parseDomainSpec(`%{${letter}}`), null, letter);
  assert.ok(parseExplainString("From %{c} to %{r} at %{t}"));
  assert.equal(parseExplainString("tab\there"), null);
  assert.ok(parseMacroString("%{d999999999999999999999999}"));
});
