import assert from "node:assert/strict";
import { test } from "node:test";
import type { RcptFacts } from "../../../src/pipeline/stage.ts";
import { createAddressMap } from "../../../src/policy/address-map.ts";
import { copiesStage } from "../../../src/stages/rewriting/copies.ts";
import { rewriteRecipientStage } from "../../../src/stages/rewriting/rewrite-recipient.ts";
import { rewriteSenderStage } from "../../../src/stages/rewriting/rewrite-sender.ts";
import { rewritingOf } from "../../policy/rewriting-policy.ts";
import { RELAYED, rcptFacts } from "../../support/rcpt-facts.ts";
import { toAddress } from "../../support/spool-item.ts";

const POLICY = rewritingOf({
  addresses: [{ internal: "corp.example.org", external: "example.org" }],
  redirects: [{ recipient: "sales@example.org", to: "us@partner.test" }],
  copies: [
    { recipients: ["example.org"], to: "in@example.org" },
    { senders: ["corp.example.org"], to: "out@example.org" },
    { recipients: ["eve@friend.test"], senders: ["ann@corp.example.org"], to: "in@example.org" },
    { senders: ["*"], recipients: ["boss@example.org"], to: "boss-copy@example.org" },
  ],
});
const bindTo = { mode: "enforce" } as const;
const sender = rewriteSenderStage.bind(POLICY, bindTo);
const recipient = rewriteRecipientStage.bind(POLICY, bindTo);
const copies = copiesStage.bind(POLICY, bindTo);

test("the sender of mail that a hub sends out is rewritten, and of no other", () => {
  const { edits, findings } = sender.judge(
    null,
    rcptFacts("Ann@corp.example.org", "bob@friend.test", RELAYED),
  );
  assert.deepEqual(edits, [{ kind: "set-sender", sender: toAddress("Ann@example.org") }]);
  assert.equal(
    findings[0]?.detail,
    "Ann@corp.example.org → Ann@example.org, by corp.example.org → example.org",
  );
  for (const facts of [
    rcptFacts("ann@corp.example.org", "bob@example.org"),
    rcptFacts(null, "bob@friend.test", RELAYED),
    rcptFacts("ann@friend.test", "bob@friend.test", RELAYED),
  ])
    assert.equal(sender.judge(null, facts).edits, undefined);
});

test("the recipient of mail that comes in is rewritten, and of no other", () => {
  const { edits } = recipient.judge(null, rcptFacts("a@friend.test", "Bob@example.org"));
  const address = toAddress("Bob@corp.example.org");
  assert.deepEqual(edits, [{ kind: "replace-recipient", address }]);
  for (const facts of [
    rcptFacts("ann@corp.example.org", "bob@example.org", RELAYED),
    rcptFacts("ann@friend.test", "bob@corp.example.org"),
  ])
    assert.equal(recipient.judge(null, facts).edits, undefined);
});

test("a redirect counts before rewriting", () => {
  const { edits, findings } = recipient.judge(null, rcptFacts("a@b.test", "SALES@example.org"));
  assert.deepEqual(edits, [{ kind: "replace-recipient", address: toAddress("us@partner.test") }]);
  assert.equal(findings[0]?.symbol, "RECIPIENT_REDIRECTED");
});

test("an address that becomes too long is no recipient, and as a sender stays", () => {
  const to = { kind: "domain", domain: `${"b.".repeat(120)}test` } as const;
  const long = createAddressMap([{ from: { kind: "domain", domain: "example.org" }, to }]);
  const policy = { ...POLICY, inbound: long, outbound: long };
  const name = `${"a".repeat(60)}@example.org`;
  const taken = rewriteRecipientStage.bind(policy, bindTo).judge(null, rcptFacts(null, name));
  assert.ok(taken.kind === "reject" && taken.cause === "recipient-unknown");
  const sent = rewriteSenderStage
    .bind(policy, bindTo)
    .judge(null, rcptFacts(name, "bob@friend.test", RELAYED));
  assert.equal(sent.edits, undefined);
  assert.equal(sent.findings[0]?.symbol, "SENDER_NOT_REWRITTEN");
});

const copied = (facts: RcptFacts) =>
  (copies.judge(null, facts).edits ?? []).map((edit) =>
    edit.kind === "add-recipient" ? edit.address.spoken : edit.kind,
  );

test("copies go by recipient, by sender, by both, each address once, and leave no symbol", () => {
  assert.deepEqual(copied(rcptFacts("a@b.test", "bob@example.org")), ["in@example.org"]);
  assert.deepEqual(copied(rcptFacts("bob@corp.example.org", "eve@friend.test", RELAYED)), [
    "out@example.org",
  ]);
  assert.deepEqual(copied(rcptFacts("ann@corp.example.org", "eve@friend.test", RELAYED)), [
    "out@example.org",
    "in@example.org",
  ]);
  assert.deepEqual(copied(rcptFacts("a@b.test", "boss@example.org")), [
    "in@example.org",
    "boss-copy@example.org",
  ]);
  assert.deepEqual(copied(rcptFacts(null, "boss@example.org")), ["in@example.org"]);
  assert.deepEqual(copied(rcptFacts("a@b.test", "bob@corp.example.org")), []);
  assert.deepEqual(copies.judge(null, rcptFacts("a@b.test", "bob@example.org")).findings, []);
});
