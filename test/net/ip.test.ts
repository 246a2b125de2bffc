import assert from "node:assert/strict";
import { test } from "node:test";
import {
  canonicalIp,
  isInside,
  parseCidr,
  parseIp,
  prefixKey,
  reversedLabels,
  reverseName,
} from "../../src/net/ip.ts";

const inside = (ip: string, range: string) => {
  const cidr = parseCidr(range);
  assert.ok(cidr, range);
  return isInside(ip, cidr);
};

test("an IPv4-mapped IPv6 address is IPv4", () => {
  assert.equal(canonicalIp("::ffff:192.0.2.1"), "192.0.2.1");
  assert.equal(canonicalIp("::FFFF:C000:0201"), "192.0.2.1");
  assert.ok(inside("::ffff:192.0.2.1", "192.0.2.0/24"));
});

test("an IPv6 address has one text", () => {
  assert.equal(canonicalIp("2001:DB8:0:0:0:0:0:1"), "2001:db8::1");
  assert.equal(canonicalIp("fe80::1%eth0"), "fe80::1");
});

test("what is no strict address is none", () => {
  const wrong = ["", "1.2.3", "010.0.0.1", "0x7f.0.0.1", "127.1", "1.2.3.4.5", "256.1.1.1"];
  for (const text of [...wrong, "::1::", "fe80::1%lo", " 1.2.3.4", "1.2.3.4\n", "[::1]"])
    assert.equal(parseIp(text), null, JSON.stringify(text));
});

test("a range holds its addresses and no others", () => {
  assert.ok(inside("10.255.255.255", "10.0.0.0/8"));
  assert.ok(!inside("11.0.0.0", "10.0.0.0/8"));
  assert.ok(inside("192.0.2.130", "192.0.2.128/25"));
  assert.ok(!inside("192.0.2.127", "192.0.2.128/25"));
  assert.ok(inside("203.0.113.9", "0.0.0.0/0"));
  assert.ok(inside("2001:db8:8000::", "2001:db8:8000::/33"));
  assert.ok(!inside("2001:db8:7fff::", "2001:db8:8000::/33"));
  assert.ok(inside("192.0.2.1", "192.0.2.1"));
  assert.ok(!inside("192.0.2.2", "192.0.2.1"));
});

test("a range holds no address of the other family", () => {
  assert.ok(!inside("::1", "0.0.0.0/0"));
  assert.ok(!inside("192.0.2.1", "::/0"));
});

test("a mapped range is one of IPv4", () => {
  assert.ok(inside("192.0.2.7", "::ffff:192.0.2.0/120"));
  assert.ok(!inside("192.0.3.7", "::ffff:192.0.2.0/120"));
});

test("a range with a wrong length is none", () => {
  for (const text of ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10/8", "::/129", "::1/-1", "/8"])
    assert.equal(parseCidr(text), null, text);
});

test("clients are counted by address, or by the network of an IPv6 customer", () => {
  assert.equal(prefixKey("192.0.2.1"), "192.0.2.1/32");
  assert.equal(prefixKey("::ffff:192.0.2.1"), "192.0.2.1/32");
  assert.equal(prefixKey("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
});

test("reversed labels are decimal octets or nibbles", () => {
  const v4 = parseIp("192.0.2.99");
  const v6 = parseIp("2001:db8::567:89ab");
  assert.ok(v4 && v6);
  assert.equal(reversedLabels(v4), "99.2.0.192");
  assert.equal(
    reversedLabels(v6),
    "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2",
  );
  assert.equal(reverseName(v4), "99.2.0.192.in-addr.arpa");
  assert.ok(reverseName(v6).endsWith(".2.ip6.arpa"));
});
