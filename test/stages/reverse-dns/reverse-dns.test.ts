import assert from "node:assert/strict";
import { test } from "node:test";
import { createLookupScope, type Resolver } from "../../../src/net/resolver.ts";
import type { ReverseDnsEvidence } from "../../../src/stages/reverse-dns/look-up-reverse.ts";
import { reverseDnsStage } from "../../../src/stages/reverse-dns/reverse-dns.ts";
import { connectFacts } from "../../support/connect-facts.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { toZoneResolver, type Zone } from "../../support/zone-resolver.ts";

const PTR = "PTR 1.2.0.192.in-addr.arpa";

async function judge(zone: Zone, options: object = {}, ip = "192.0.2.1") {
  const asked: string[] = [];
  const stage = reverseDnsStage.bind(reverseDnsStage.options.parse(options), { mode: "enforce" });
  const { signal } = new AbortController();
  const facts = connectFacts(ip);
  const services = { resolver: toZoneResolver(zone, asked) as Resolver, clock: createFakeClock() };
  const view = { ...facts, dns: createLookupScope(signal) };
  const evidence = await stage.observe?.(view, services, signal);
  assert.ok(evidence);
  const verdict = stage.judge(JSON.parse(JSON.stringify(evidence)), facts);
  const found = verdict.findings.map(({ symbol, score }) => `${symbol} ${score}`);
  const { status, names, omitted } = evidence as unknown as ReverseDnsEvidence;
  return { verdict, found, asked, status, names, omitted };
}

test("a name that leads back to the client is nothing to remark on", async () => {
  const zone = { [PTR]: ["mail.friend.test"], "A mail.friend.test": ["192.0.2.7", "192.0.2.1"] };
  const { verdict, status } = await judge(zone);
  assert.deepEqual([status, verdict], ["confirmed", { kind: "neutral", findings: [] }]);
});

test("an IPv6 client is confirmed by AAAA, however the address is written", async () => {
  const name = `PTR ${"1.0.0.0.".repeat(1)}${"0.".repeat(20)}8.b.d.0.1.0.0.2.ip6.arpa`;
  const zone = { [name]: ["six.test"], "AAAA six.test": ["2001:0db8:0:0:0:0:0:1"] };
  assert.equal((await judge(zone, {}, "2001:db8::1")).status, "confirmed");
});

for (const [what, zone, status, found] of [
  ["without a name", {}, "none", ["REVERSE_NONE 1"]],
  [
    "whose name has another address",
    { [PTR]: ["a.test"], "A a.test": ["198.51.100.1"] },
    "unconfirmed",
    ["REVERSE_UNCONFIRMED 1"],
  ],
  ["whose name does not exist", { [PTR]: ["a.test"] }, "unconfirmed", ["REVERSE_UNCONFIRMED 1"]],
  ["whose reverse zone is slow", { [PTR]: "no answer" }, "temporary", ["REVERSE_TEMPERROR 0"]],
  [
    "whose name's zone is slow",
    { [PTR]: ["a.test"], "A a.test": "no answer" },
    "temporary",
    ["REVERSE_TEMPERROR 0"],
  ],
] as const)
  test(`a client ${what} is ${status}, and not refused as shipped`, async () => {
    const result = await judge(zone);
    assert.deepEqual([result.status, result.found], [status, found]);
    assert.equal(result.verdict.kind, "neutral");
  });

test("one name that leads back is enough among others that do not", async () => {
  const zone = { [PTR]: ["a.test", "b.test"], "A b.test": ["192.0.2.1"], "A a.test": "no answer" };
  assert.equal((await judge(zone)).status, "confirmed");
});

test("of hundreds of names five are looked at, each once", async () => {
  const names = Array.from({ length: 300 }, (_, i) => `n${i}.test`);
  const { asked, omitted, names: seen } = await judge({ [PTR]: [...names, "N0.test"] });
  assert.equal(asked.filter((one) => one.startsWith("A ")).length, 5);
  assert.deepEqual([seen.length, omitted], [5, 295]);
});

test("policy may refuse clients without a name or with a false one, and put off whom DNS does not know", async () => {
  const none = await judge({}, { none: "reject" });
  assert.ok(none.verdict.kind === "reject" && none.verdict.cause === "reverse-name");
  const other = { [PTR]: ["a.test"], "A a.test": ["198.51.100.1"] };
  assert.equal((await judge(other, { none: "reject" })).verdict.kind, "neutral");
  assert.equal((await judge(other, { unconfirmed: "reject" })).verdict.kind, "reject");
  const slow = { [PTR]: "no answer" };
  assert.equal(
    (await judge(slow, { none: "reject", unconfirmed: "reject" })).verdict.kind,
    "neutral",
  );
  assert.equal((await judge(slow, { temporary: "defer" })).verdict.kind, "defer");
});

for (const [name, isGeneric] of [
  ["1.2.0.192.dyn.isp.test", true],
  ["192-0-2-1.isp.test", true],
  ["ec2-192-0-2-1.compute.cloud.test", true],
  ["c0000201.isp.test", true],
  ["host192000002001.isp.test", true],
  ["cust7.adsl.isp.test", true],
  ["mail.friend.test", false],
  ["mail2.friend.test", false],
  ["a2-1.smtp-out.provider.test", false],
  ["dynamite.friend.test", false],
  ["mx1.dyn.test", false],
] as const)
  test(`${name} ${isGeneric ? "looks like the name of a line" : "looks like the name of a server"}`, async () => {
    const { found } = await judge({ [PTR]: [name], [`A ${name}`]: ["192.0.2.1"] });
    assert.deepEqual(found, isGeneric ? ["REVERSE_GENERIC 0.5"] : []);
  });

test("one proper name that leads back clears generic ones beside it", async () => {
  const zone = {
    [PTR]: ["192-0-2-1.isp.test", "mail.friend.test"],
    "A 192-0-2-1.isp.test": ["192.0.2.1"],
    "A mail.friend.test": ["192.0.2.1"],
  };
  assert.deepEqual((await judge(zone)).found, []);
});
