import assert from "node:assert/strict";
import { test } from "node:test";
import { isAutomatic, reasonForSilence } from "../../../src/relay/bounces/bounce-rules.ts";
import type { Leg } from "../../../src/relay/relay.ts";
import type { BounceKind } from "../../../src/spool/spool.ts";
import { toLeg } from "../../support/relay-bench.ts";

const LEG = toLeg(["a@x.test"], { senderAuthenticated: true });
const ROUTED = { route: () => ({}) as never };
const UNROUTED = { route: () => null };
type Notify = Leg["envelope"]["recipients"][number]["notify"];

test("the sender hears what NOTIFY says, and without it of failures and delays", () => {
  const rows: readonly (readonly [Notify, readonly BounceKind[]])[] = [
    [undefined, ["failed", "delayed"]],
    [["NEVER"], []],
    [["FAILURE"], ["failed"]],
    [["DELAY"], ["delayed"]],
    [["SUCCESS"], ["relayed"]],
    [
      ["SUCCESS", "FAILURE", "DELAY"],
      ["failed", "delayed", "relayed"],
    ],
  ];
  for (const [notify, heard] of rows) {
    const kinds = (["failed", "delayed", "relayed"] as const).filter(
      (kind) => reasonForSilence(kind, LEG, notify, ROUTED) === null,
    );
    assert.deepEqual(kinds, heard, String(notify));
  }
});

test("nobody else hears anything, whatever NOTIFY says", () => {
  const everything = ["SUCCESS", "FAILURE", "DELAY"] as const;
  for (const kind of ["failed", "delayed", "relayed"] as const) {
    const why = (leg: Partial<Leg>, routing = ROUTED) =>
      reasonForSilence(kind, { ...LEG, ...leg }, everything, routing);
    assert.match(why({ senderAuthenticated: false }) ?? "", /may be forged/);
    assert.match(why({ envelope: { ...LEG.envelope, sender: null } }) ?? "", /bounce itself/);
    assert.match(why({}, UNROUTED as never) ?? "", /no connector takes mail for away\.test/);
  }
});

test("what a program or a list sent is automatic", () => {
  const rows: readonly (readonly [string, boolean])[] = [
    ["Subject: x", false],
    ["Precedence: bulk", true],
    ["precedence: List", true],
    ["Precedence: junk", true],
    ["Precedence: first-class", false],
    ["Auto-Submitted: no", false],
    ["Auto-Submitted: no (by hand)", false],
    ["Auto-Submitted: auto-generated", true],
    ["AUTO-SUBMITTED: Auto-Replied; owner=x", true],
    ["Auto-Submitted: note", true],
    ["List-Id: <l.friend.test>", true],
  ];
  for (const [field, expected] of rows) {
    const headers = Buffer.from(`From: a\r\n${field}\r\nTo: b\r\n`);
    assert.equal(isAutomatic(headers), expected, field);
  }
});
