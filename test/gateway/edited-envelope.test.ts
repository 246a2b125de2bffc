import assert from "node:assert/strict";
import { test } from "node:test";
import { editedEnvelope } from "../../src/gateway/edited-envelope.ts";
import type { Ruled } from "../../src/gateway/fold.ts";
import type { Transaction } from "../../src/gateway/session-state.ts";
import { type EnvelopeRecipient, returnAddress } from "../../src/mail/envelope.ts";
import type { Decision } from "../../src/pipeline/decision.ts";
import type { Edit } from "../../src/pipeline/edit.ts";
import { decodeXtext, encodeXtext, isXtext } from "../../src/smtp/esmtp-arguments.ts";
import { toAddress } from "../support/spool-item.ts";

const SENDER = toAddress("Ann@first.test");
const mail = { body: "7bit", smtputf8: false } as const;

function envelope(sender: typeof SENDER | null, recipient: EnvelopeRecipient, ...edits: Edit[]) {
  const decision = { edits } as unknown as Decision;
  const ruled: Ruled = { recipient, domain: null, decision };
  return editedEnvelope({ sender, mail } as unknown as Transaction, [ruled], decision);
}

const to = (spoken: string): Edit => ({ kind: "replace-recipient", address: toAddress(spoken) });

test("without edits the envelope is what was spoken, the same objects", () => {
  const recipient = { address: toAddress("Bob@example.org"), notify: ["DELAY"] } as const;
  const made = envelope(SENDER, recipient);
  assert.deepEqual(made, { sender: SENDER, recipients: [recipient], mail });
  assert.equal(made.recipients[0], recipient);
  assert.equal(returnAddress(made), SENDER);
});

test("who was put in a recipient's place takes his DSN parameters along, and his name", () => {
  const notify = ["FAILURE"] as const;
  const address = toAddress("a+b=c@example.org");
  const { recipients } = envelope(SENDER, { address, notify }, to("x@in.test"));
  const orcpt = "rfc822;a+2Bb+3Dc@example.org";
  const origin = address;
  assert.deepEqual(recipients, [{ address: toAddress("x@in.test"), origin, notify, orcpt }]);
  const said = envelope(SENDER, { address, orcpt: "rfc822;first@x.test" }, to("x@in.test"));
  assert.equal(said.recipients[0]?.orcpt, "rfc822;first@x.test");
});

test("a name beyond ASCII does not go along: ORCPT would need another form", () => {
  const { recipients } = envelope(SENDER, { address: toAddress("jörg@x.test") }, to("j@in.test"));
  const origin = toAddress("jörg@x.test");
  assert.deepEqual(recipients, [{ address: toAddress("j@in.test"), origin }]);
});

test("bounces of ours go to the sender as spoken", () => {
  const ours = toAddress("SRS0=x=y=first.test=ann@example.org");
  const recipient = { address: toAddress("b@x.test") };
  const made = envelope(SENDER, recipient, { kind: "set-sender", sender: ours });
  assert.deepEqual([made.sender, returnAddress(made)], [ours, SENDER]);
  assert.equal(returnAddress(envelope(null, recipient)), null);
});

test("xtext is made and read", () => {
  const text = ' +=a"\\é';
  const ascii = text.slice(0, -1);
  assert.ok(isXtext(encodeXtext(ascii)));
  assert.equal(decodeXtext(encodeXtext(ascii)), ascii);
});
