import assert from "node:assert/strict";
import { test } from "node:test";
import { registeredDomain } from "../../src/mail/registered-domain.ts";

test("the registered domain is two labels, or three where a country shares the second", () => {
  for (const [name, registered] of [
    ["mail.example.org", "example.org"],
    ["Example.ORG.", "example.org"],
    ["a.b.example.co.uk", "example.co.uk"],
    ["mx.firma.com.br", "firma.com.br"],
    ["v1.t.co", "t.co"],
    ["mx.nic.de", "nic.de"],
  ] as const)
    assert.equal(registeredDomain(name), registered, name);
});

test("what is no name of two labels has none", () => {
  for (const name of ["localhost", "", "a..b", "192.0.2.1", "."])
    assert.equal(registeredDomain(name), null, name);
});
