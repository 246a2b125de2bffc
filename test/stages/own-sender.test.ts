import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMailbox } from "../../src/mail/address.ts";
import type { MailFacts } from "../../src/pipeline/stage.ts";
import type { RelayPermission } from "../../src/smtp/relay-permission.ts";
import { ownSenderStage } from "../../src/stages/own-sender.ts";

const owns = (domain: string) => domain === "example.org";
const USER: RelayPermission = { by: "password", user: "alice" };
const NETWORK: RelayPermission = { by: "network", network: "10.0.0.0/8" };

function judge(relay: RelayPermission | null, from: string, of: readonly string[] = ["password"]) {
  const stage = ownSenderStage.bind({ of, owns }, { mode: "enforce" });
  const sender = from === "" ? null : parseMailbox(from);
  return stage.judge(null, { relay, sender } as unknown as MailFacts);
}

test("who logs on sends under our domains", () => {
  assert.equal(judge(USER, "alice@example.org").kind, "neutral");
  assert.equal(judge(USER, "bob@EXAMPLE.org").kind, "neutral");
});

test("who logs on does not send under another domain, however like ours", () => {
  for (const from of ["a@elsewhere.test", "a@example.org.evil.test", "a@sub.example.org"]) {
    const verdict = judge(USER, from);
    assert.ok(verdict.kind === "reject" && verdict.cause === "sender-not-ours", from);
  }
});

test("the null sender is anybody's", () => assert.equal(judge(USER, "").kind, "neutral"));

test("a hub sends on what others wrote, unless the policy says otherwise", () => {
  assert.equal(judge(NETWORK, "a@elsewhere.test").kind, "neutral");
  assert.equal(judge(NETWORK, "a@elsewhere.test", ["network"]).kind, "reject");
  assert.equal(judge(USER, "a@elsewhere.test", ["network"]).kind, "neutral");
});

test("strangers are not asked", () => assert.equal(judge(null, "a@b.test").kind, "neutral"));
