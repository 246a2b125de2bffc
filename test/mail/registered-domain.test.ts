import assert from "node:assert/strict";
import { test } from "node:test";
import { registeredDomain } from "../../src/mail/registered-domain.ts";

test("the registered domain is what stands below a public suffix", () => {
  for (const [name, registered] of [
    ["mail.example.org", "example.org"],
    ["Example.ORG.", "example.org"],
    ["a.b.example.co.uk", "example.co.uk"],
    ["mx.firma.com.br", "firma.com.br"],
    ["v1.t.co", "t.co"],
    ["mx.nic.de", "nic.de"],
    ["mail.town.kawasaki.jp", "mail.town.kawasaki.jp"],
    ["ec2-1.eu-west-1.compute.amazonaws.com", "ec2-1.eu-west-1.compute.amazonaws.com"],
    ["mx.customer.github.io", "customer.github.io"],
    ["mail.unheard.invalid", "unheard.invalid"],
  ] as const)
    assert.equal(registeredDomain(name), registered, name);
});

test("an address, a public suffix and what is no name of two labels have none", () => {
  for (const name of [
    "localhost",
    "",
    "a..b",
    "192.0.2.1",
    "[192.0.2.1]",
    "::1",
    ".",
    "co.uk",
    "github.io",
  ])
    assert.equal(registeredDomain(name), null, name);
});
