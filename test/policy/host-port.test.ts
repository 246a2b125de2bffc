import assert from "node:assert/strict";
import { test } from "node:test";
import { formatHostPort, parseHostPort } from "../../src/policy/host-port.ts";

test("names and addresses are read with their port", () => {
  assert.deepEqual(parseHostPort("Hub.Internal:25"), { host: "hub.internal", port: 25 });
  assert.deepEqual(parseHostPort("10.1.0.25:2525"), { host: "10.1.0.25", port: 2525 });
  assert.deepEqual(parseHostPort("[2001:db8::25]:25"), { host: "2001:db8::25", port: 25 });
});

test("the default port stands in for none", () => {
  assert.deepEqual(parseHostPort("hub", { defaultPort: 25 }), { host: "hub", port: 25 });
  assert.deepEqual(parseHostPort("[::1]", { defaultPort: 25 }), { host: "::1", port: 25 });
  assert.equal(parseHostPort("hub"), null);
});

test("what could be read in two ways, or in none, is refused", () => {
  const texts = ["::1:25", "2001:db8::25", "hub:", "hub:0", "hub:65536", "hub:25x", ":25", ""];
  for (const text of [...texts, "256.1.1.1:25", "10.1:25", "[hub]:25", "[10.0.0.1]:25", "a b:25"])
    assert.equal(parseHostPort(text, { defaultPort: 25 }), null, text);
});

test("port 0 is for listening only", () => {
  assert.deepEqual(parseHostPort("127.0.0.1:0", { allowZero: true }), {
    host: "127.0.0.1",
    port: 0,
  });
});

test("what was read is written the same way", () => {
  for (const text of ["hub:25", "10.1.0.25:2525", "[2001:db8::25]:25"]) {
    const parsed = parseHostPort(text);
    assert.equal(parsed && formatHostPort(parsed), text);
  }
});
