import assert from "node:assert/strict";
import { test } from "node:test";
import { recipientCheck } from "../../src/doctor/recipient-check.ts";
import type { Address } from "../../src/mail/address.ts";
import { defaultCallOutRules } from "../../src/policy/call-out-rules.ts";
import type { AcceptedDomain, RecipientSource } from "../../src/policy/snapshot.ts";
import type { ProbeAnswer } from "../../src/stages/domains/recipient-probe.ts";

const NOW = Date.UTC(2026, 10, 25);
const CALL_OUT: RecipientSource = { kind: "call-out", rules: defaultCallOutRules("example.org") };

function domain(name: string, recipients: RecipientSource): AcceptedDomain {
  return { name, type: "authoritative", recipients, ack: "hub", lineEndings: "refuse" };
}

async function look(one: AcceptedDomain, answer?: ProbeAnswer) {
  const asked: string[] = [];
  const recipientProbe = {
    async probe({ spoken }: Address) {
      asked.push(spoken);
      return answer ?? assert.fail("nobody was to be asked");
    },
  };
  const findings = await recipientCheck({ domains: [one], recipientProbe, now: NOW }).run();
  return { asked, findings, status: findings[0]?.status };
}

test("a hub is asked for a mailbox that cannot exist, and should refuse it", async () => {
  const asks = (kind: ProbeAnswer["kind"], reply?: string) =>
    look(domain("example.org", CALL_OUT), { kind, cached: false, ...(reply && { reply }) });
  const refused = await asks("refused", "550 5.1.1 unknown");
  assert.match(refused.asked[0] ?? "", /^postern-probe-[0-9a-f]{18}@example\.org$/);
  assert.equal(refused.status, "ok");
  const accepted = await asks("accepted", "250 ok");
  assert.equal(accepted.status, "warn");
  assert.match(accepted.findings[0]?.detail ?? "", /takes who cannot exist: 250 ok/);
  assert.equal((await asks("later")).status, "warn");
  assert.equal((await asks("unknown", "connection refused")).status, "fail");
});

test("of a wildcard a subdomain is asked for", async () => {
  const answer = { kind: "refused", cached: false } as const;
  const { asked } = await look(domain("*.example.org", CALL_OUT), answer);
  assert.match(asked[0] ?? "", /@postern-probe\.example\.org$/);
});

test("a list that has an age is fresh or stale; one without, and a domain without, say nothing", async () => {
  const list: RecipientSource = { kind: "list", find: () => "no", count: 1, from: "r.hashed" };
  const aged = (freshUntil: number) =>
    look(domain("x.test", { ...list, age: { madeAt: 0, freshUntil, stale: "accept" } }));
  assert.equal((await aged(NOW)).status, "ok");
  assert.equal((await aged(NOW - 1)).status, "warn");
  assert.deepEqual((await look(domain("x.test", list))).findings, []);
  assert.deepEqual((await look(domain("x.test", { kind: "any" }))).findings, []);
});
