import assert from "node:assert/strict";
import { test } from "node:test";
import { accessOptions } from "../../../src/stages/access/access-options.ts";
import { checkAccess } from "../../../src/stages/access/check-access.ts";

const RELAY = { client: "203.0.113.7", names: ["backup.example.org"], reason: "backup" };
const entry = (client: string) => ({ client, reason: "x" });

function check(written: object, isPlaced = true) {
  const company = new Map([["trusted-relay", { trustable: true, isPlaced }]]);
  return checkAccess(accessOptions.parse(written), company);
}

test("relays behind which nobody would look are a mistake", () => {
  assert.deepEqual(check({ trustedRelays: [RELAY] }), []);
  assert.deepEqual(check({}, false), []);
  const [fault] = check({ trustedRelays: [RELAY] }, false);
  assert.deepEqual(fault?.path, ["trustedRelays"]);
  assert.match(fault?.message ?? "", /stage `trusted-relay` is not in pipeline\.yaml/);
});

test("an entry for a relay itself, however written, is a mistake, and one for a network around it is not", () => {
  const trustedRelays = [RELAY, { ...RELAY, client: "2001:db8:0:0::/64" }];
  const faults = check({
    trustedRelays,
    allow: [entry("203.0.113.0/24"), entry("203.0.113.7/32")],
    block: [entry("2001:db8::/64")],
  });
  assert.deepEqual(
    faults.map(({ path }) => path.join(".")),
    ["allow.1.client", "block.0.client"],
  );
});

test("two entries for one relay are a mistake", () => {
  const twice = { trustedRelays: [RELAY, { ...RELAY, client: "203.0.113.7/32" }] };
  assert.match(JSON.stringify(accessOptions.safeParse(twice).error?.issues), /got a second for/);
});

test("of two networks that hold a relay the smaller one counts, as long as it is in force", () => {
  const { relays } = accessOptions.parse({
    trustedRelays: [
      { ...RELAY, client: "203.0.113.0/24", names: ["*.wide.test"] },
      { ...RELAY, names: ["narrow.test"], expires: "2026-11-30" },
    ],
  });
  const namesAt = (ip: string, at: number) => relays.find(ip, at)?.names.join();
  assert.equal(namesAt("203.0.113.7", Date.UTC(2026, 10, 30, 23)), "narrow.test");
  assert.equal(namesAt("203.0.113.7", Date.UTC(2026, 11, 1)), "*.wide.test");
  assert.equal(namesAt("203.0.113.8", 0), "*.wide.test");
  assert.equal(namesAt("203.0.114.8", 0), undefined);
});
