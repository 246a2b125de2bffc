import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Cidr, isInside, parseCidr } from "../../../src/net/ip.ts";
import { createNetworkMap } from "../../../src/stages/access/network-map.ts";

// Few values an octet, so that networks overlap.
const octet = fc.constantFrom(0, 1, 127, 128, 255);
const v4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join("."));
const group = fc.constantFrom("0", "1", "7fff", "8000", "ffff");
const v6 = fc
  .array(group, { minLength: 7, maxLength: 7 })
  .map((groups) => `2001:${groups.join(":")}`);
const network = fc.oneof(
  fc.tuple(v4, fc.nat(32)).map(([ip, bits]) => `${ip}/${bits}`),
  fc.tuple(v6, fc.nat(128)).map(([ip, bits]) => `${ip}/${bits}`),
);

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  assert.ok(parsed, text);
  return parsed;
}

test("a look-up finds what a search through all networks finds, most specific first", () => {
  fc.assert(
    fc.property(fc.array(network, { maxLength: 40 }), fc.oneof(v4, v6), (networks, ip) => {
      const entries = networks.map((text, value) => ({ network: cidr(text), value }));
      const expected = entries
        .filter((entry) => isInside(ip, entry.network))
        .toSorted((a, b) => b.network.bits - a.network.bits || a.value - b.value)
        .map(({ value }) => value);
      assert.deepEqual(createNetworkMap(entries).find(ip), expected);
    }),
  );
});

test("what is no address is in no network", () => {
  const map = createNetworkMap([{ network: cidr("0.0.0.0/0"), value: 1 }]);
  for (const text of ["", "localhost", "127.1", "1.2.3.4.5", "::1"]) {
    assert.deepEqual(map.find(text), [], text);
  }
  assert.deepEqual(map.find("::ffff:192.0.2.1"), [1]);
});
