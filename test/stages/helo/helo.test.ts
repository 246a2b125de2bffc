import assert from "node:assert/strict";
import { test } from "node:test";
import { createLookupScope, type Resolver } from "../../../src/net/resolver.ts";
import { heloStage } from "../../../src/stages/helo/helo.ts";
import { heloFacts } from "../../support/connect-facts.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { toZoneResolver, type Zone } from "../../support/zone-resolver.ts";

const ZONE: Zone = {
  "A mail.friend.test": ["192.0.2.1"],
  "AAAA six.friend.test": ["2001:db8::1"],
  "A slow.test": "no answer in 2 s",
  "AAAA slow.test": "no answer in 2 s",
  "A example.org": ["198.51.100.9"],
};

async function judge(name: string, options: object = {}, ip = "192.0.2.1") {
  const asked: string[] = [];
  const placement = {
    mode: "enforce",
    isOurs: (domain: string) => domain === "example.org",
  } as const;
  const stage = heloStage.bind(heloStage.options.parse(options), placement);
  const { signal } = new AbortController();
  const facts = heloFacts(ip, name);
  const resolver = toZoneResolver(ZONE, asked) as Resolver;
  const services = { resolver, clock: createFakeClock() };
  const view = { ...facts, dns: createLookupScope(signal) };
  const evidence = await stage.observe?.(view, services, signal);
  assert.ok(evidence !== undefined);
  // As it is stored: nothing of the world but plain JSON reaches the judge.
  const verdict = stage.judge(JSON.parse(JSON.stringify(evidence)), facts);
  const found = verdict.findings.map(({ symbol, score }) => `${symbol} ${score}`);
  return { verdict, found, asked, evidence };
}

test("a name with an address is nothing to remark on, whosever address it is", async () => {
  assert.deepEqual((await judge("mail.friend.test")).verdict, { kind: "neutral", findings: [] });
  assert.deepEqual((await judge("MAIL.friend.test.")).found, []);
  assert.deepEqual((await judge("six.friend.test")).found, []);
  assert.deepEqual((await judge("mail.friend.test", {}, "198.51.100.66")).found, []);
});

for (const [name, found] of [
  ["nobody.test", ["HELO_UNRESOLVED 0.5"]],
  ["[192.0.2.1]", []],
  ["[203.0.113.222]", ["HELO_LITERAL_DIFFERS 2"]],
  ["[IPv6:2001:db8::2]", ["HELO_LITERAL_DIFFERS 2"]],
  ["192.0.2.1", ["HELO_BARE_ADDRESS 2"]],
  ["localhost", ["HELO_SINGLE_LABEL 1"]],
  ["user_pc.lan.test", ["HELO_MALFORMED 0.5"]],
  ["mail.friend.123", ["HELO_MALFORMED 0.5"]],
  ["example.org", ["HELO_OWN_DOMAIN 3"]],
] as const)
  test(`${name} is marked with ${found.join() || "nothing"}, and refuses nobody`, async () => {
    const result = await judge(name);
    assert.deepEqual(result.found, found);
    assert.equal(result.verdict.kind, "neutral");
  });

test("a slow name server says nothing against the client", async () => {
  const { found, evidence } = await judge("slow.test");
  assert.deepEqual(found, []);
  assert.match(JSON.stringify(evidence), /"status":"temporary".*no answer in 2 s/);
});

test("who says our own host name is refused, or only marked", async () => {
  const { verdict } = await judge("MX.example.org");
  assert.ok(verdict.kind === "reject" && verdict.cause === "helo-forged");
  const marked = await judge("mx.example.org", { ownName: "stamp" });
  assert.deepEqual([marked.verdict.kind, marked.found], ["neutral", ["HELO_OWN_NAME 4"]]);
});

test("who says an address of this machine is refused, unless it is his own", async () => {
  const { verdict } = await judge("[127.0.0.1]");
  assert.ok(verdict.kind === "reject" && verdict.cause === "helo-forged");
  assert.deepEqual((await judge("[127.0.0.1]", {}, "127.0.0.1")).found, []);
});

test("nothing is asked about what is no name of a host", async () => {
  for (const name of ["[203.0.113.222]", "192.0.2.1", "localhost", "a_b.test"])
    assert.deepEqual((await judge(name)).asked, [], name);
});
