import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDnsServer, systemDnsServers } from "../../src/net/dns-server-address.ts";

test("a server is an address, with or without a port", () => {
  assert.deepEqual(parseDnsServer("127.0.0.1"), { host: "127.0.0.1", port: 53 });
  assert.deepEqual(parseDnsServer("127.0.0.1:5353"), { host: "127.0.0.1", port: 5353 });
  assert.deepEqual(parseDnsServer("::1"), { host: "::1", port: 53 });
  assert.deepEqual(parseDnsServer("[::1]:5353"), { host: "::1", port: 5353 });
});

test("what is no address with a port is no server", () => {
  for (const text of [
    "",
    "dns.example.org",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "[::1]:",
    "1.2.3:53",
  ])
    assert.equal(parseDnsServer(text), null, text);
});

test("the system always has a server", () => {
  assert.ok(systemDnsServers().length > 0);
});
