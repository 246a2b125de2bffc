import assert from "node:assert/strict";
import { test } from "node:test";
import type { TransactionId } from "../../src/base/ids.ts";
import type { Snapshot } from "../../src/gateway/session-state.ts";
import { isForgedField, type StampContext, stampHeaders } from "../../src/gateway/stamp.ts";
import type { Decision } from "../../src/pipeline/decision.ts";
import type { MailFacts } from "../../src/pipeline/stage.ts";

const DECISION: Decision = {
  action: "relay",
  cause: null,
  stage: null,
  about: {},
  score: 7.1,
  scl: 7,
  findings: [{ symbol: "SPF_FAIL", score: 7.1 }],
  edits: [],
  degraded: ["dnsbl"],
  would: null,
};

const FACTS: MailFacts = {
  client: { ip: "2001:db8::1", port: 4321 },
  listener: { name: "internet", kind: "internet", hostname: "mx.example.org" },
  receivedAt: 0,
  seed: "s",
  reports: [],
  helo: { verb: "EHLO", name: "mail.friend.test" },
  tls: { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" },
  relay: null,
  sender: null,
  mail: { body: "7bit", smtputf8: false },
};

const PLAN = { scoring: { thresholds: { quarantine: 6, reject: null } } };
const OUTBOUND = {
  remove: ["X-Originating-IP", "X-Inside-*"],
  received: "remove",
  verdict: "remove",
} as const;

function context(over: Partial<StampContext> = {}): StampContext {
  const snapshot = {
    version: "abcdef123456",
    headers: { spamCompatibility: true, firewall: ["X-MS-Exchange-Organization-*", "X-Internal"] },
    plans: { inbound: PLAN, outbound: PLAN },
    outbound: { ownSenders: [], headers: OUTBOUND },
  } as unknown as Snapshot;
  return {
    id: "01ABCDEFGH01ABCDEF" as TransactionId,
    facts: FACTS,
    reports: [],
    onlyRecipient: null,
    authservIds: ["mx.example.org", "mail.example.org"],
    snapshot,
    at: Date.UTC(2026, 10, 22, 3, 4, 5),
    ...over,
  };
}

const address = (spoken: string) => ({ spoken, localPart: "", domain: "" });
const field = (name: string, rawValue = " x") => ({ name, rawValue, start: 0, end: 1 });

test("headers stand in the documented order", () => {
  const names = stampHeaders(context(), DECISION).map(({ name }) => name);
  assert.deepEqual(names, [
    "Received",
    "Authentication-Results",
    "X-Postern-Id",
    "X-Postern-SCL",
    "X-Postern-Report",
    "X-Spam-Flag",
    "X-Spam-Status",
    "X-Spam-Score",
    "X-Spam-Level",
  ]);
});

test("Received tells client, protocol, TLS and time, and the recipient only when he is the only one", () => {
  const [received] = stampHeaders(context(), DECISION);
  assert.equal(
    received?.value,
    "from mail.friend.test ([IPv6:2001:db8::1]) by mx.example.org (Postern) with ESMTPS " +
      "(TLSv1.3 TLS_AES_256_GCM_SHA384) id 01ABCDEFGH01ABCDEF; Sun, 22 Nov 2026 03:04:05 +0000",
  );
  const one = stampHeaders(context({ onlyRecipient: address("alice@example.org") }), DECISION);
  assert.match(one[0]?.value ?? "", / for <alice@example\.org>; /);
  const utf8 = stampHeaders(context({ onlyRecipient: address("jürgen@example.org") }), DECISION);
  assert.doesNotMatch(utf8[0]?.value ?? "", / for /);
});

test("the report names policy, score, symbols and what could not answer", () => {
  const report = stampHeaders(context(), DECISION).find(({ name }) => name === "X-Postern-Report");
  assert.equal(
    report?.value,
    "v=1; policy=abcdef123456; score=7.1; symbols=SPF_FAIL; degraded=dnsbl",
  );
});

test("a thousand symbols still make a header line that can be sent", () => {
  const findings = Array.from({ length: 1000 }, (_, i) => ({ symbol: `SYMBOL_${i}`, score: 0 }));
  for (const { value } of stampHeaders(context(), { ...DECISION, findings }))
    assert.ok(value.length < 998);
});

test("inbound copies that claim to be ours or the hub's are removed", () => {
  for (const forged of [
    field("X-Postern-SCL"),
    field("x-postern-anything"),
    field("X-POSTERN-ID "),
    field("X-Spam-Flag"),
    field("X-MS-Exchange-Organization-SCL"),
    field("x-internal"),
    field("Authentication-Results", "\r\n MX.example.org; spf=pass"),
    field("Received-SPF", " pass (mx.example.org: ok)"),
    field("Authentication-Results", " mail.example.org; spf=pass"),
    field("X-Postern-SCL\x01"),
    field("X-\x7fSpam-Flag"),
    field("\xef\xbb\xbfX-MS-Exchange-Organization-SCL"),
    field("Authentication-Results\x01", " mx.example.org; spf=pass"),
    field("Received\xc2\xad-SPF", " pass (mx.example.org: ok)"),
    field("", "X-Postern-SCL\r\n : -1"),
    field("", "X-Postern-SCL\r\n\t\r\n : -1"),
    field("", " X-Postern-SCL: -1"),
    field("", "Authentication-Results\r\n : mx.example.org; spf=pass"),
  ])
    assert.ok(isForgedField(forged, context(), DECISION), JSON.stringify(forged));
});

test("everything else of the sender stays", () => {
  for (const name of ["Received", "X-MS-Exchange", "X-Internal-Not", "Subject", "X-Spam-Other"])
    assert.ok(!isForgedField(field(name), context(), DECISION), name);
  for (const line of ["no colon at all", "Subject\r\n : folded too early", ""])
    assert.ok(!isForgedField(field("", line), context(), DECISION), line);
  assert.ok(
    !isForgedField(field("Authentication-Results", " other.test; spf=pass"), context(), DECISION),
  );
});

const NETWORK = { by: "network", network: "10.1.0.0/16" } as const;
const PASSWORD = { by: "password", user: "alice" } as const;

test("Received says A for who logged on, and for nobody else", () => {
  const protocolOf = (facts: MailFacts) =>
    / with (\S+)/.exec(stampHeaders(context({ facts }), DECISION)[0]?.value ?? "")?.[1];
  assert.equal(protocolOf({ ...FACTS, relay: PASSWORD }), "ESMTPSA");
  assert.equal(protocolOf({ ...FACTS, relay: NETWORK }), "ESMTPS");
  const mail = { body: "8bitmime", smtputf8: true } as const;
  assert.equal(protocolOf({ ...FACTS, relay: PASSWORD, mail }), "UTF8SMTPSA");
});

test("headers of the inside leave only inbound mail alone, and our own Received stays", () => {
  const facts: MailFacts = { ...FACTS, relay: NETWORK };
  const ours = field("Received", " from a.test ([10.1.2.3]) by\r\n mx.example.org (Postern); x");
  const theirs = field("received ", " from mx.example.org by hub.inside (by mx.example.org); x");
  const inside = [theirs, field("X-Originating-Ip"), field("X-Inside-Rule")];
  for (const one of inside) {
    assert.ok(isForgedField(one, context({ facts }), DECISION), JSON.stringify(one));
    assert.ok(!isForgedField(one, context(), DECISION), `inbound: ${JSON.stringify(one)}`);
  }
  for (const one of [ours, field("Subject"), field("X-Insider")])
    assert.ok(!isForgedField(one, context({ facts }), DECISION), JSON.stringify(one));
});

test("where the Received of the inside goes, ours does not name the client of the inside", () => {
  const received = (facts: MailFacts) => stampHeaders(context({ facts }), DECISION)[0]?.value;
  assert.match(
    received({ ...FACTS, relay: NETWORK }) ?? "",
    /^by mx\.example\.org \(Postern\) with /,
  );
  assert.match(received(FACTS) ?? "", /^from mail\.friend\.test /);
});

test("what we think of mail of ours may stay with us, what we think of others' never", () => {
  const namesOf = (facts: MailFacts) =>
    stampHeaders(context({ facts }), DECISION).map(({ name }) => name);
  assert.deepEqual(namesOf({ ...FACTS, relay: NETWORK }), [
    ...["Received", "Authentication-Results", "X-Postern-Id"],
  ]);
  assert.ok(namesOf(FACTS).includes("X-Postern-SCL"));
});
