import assert from "node:assert/strict";
import { test } from "node:test";
import { describeStory } from "../../src/cli/explain.ts";
import { asSent, startRewritingEdge } from "../support/rewriting-edge.ts";
import type { HubEvent } from "../support/scripted-hub.ts";
import { waitUntil } from "../support/wait-until.ts";
import { storyOf } from "../support/with-edge.ts";

const REWRITING = {
  copies: [
    {
      recipients: ["ann@corp.example.org", "j.doe@corp.example.org"],
      to: "journal@example.org",
    },
  ],
};
const TO = ["ann@corp.example.org"];
const EVERYONE = ["full@corp.example.org", ...TO, "j.doe@corp.example.org"];
const FROM = "bob@friend.test";
const MESSAGE =
  "From: bob@friend.test\r\nTo: x@y.test\r\nX-Postern-Envelope-To: <forged@x.test>\r\n\r\nHello\r\n";
const LIMITS = { delivery: { retryFirstSeconds: 1, retryMaxSeconds: 1 } };

const toJournal = ({ line }: HubEvent) => line.includes("<journal@");

for (const workers of [1, 2])
  test(`a copy goes to the journal and the recipient cannot see it (workers: ${workers})`, async () => {
    await using all = await startRewritingEdge({
      rewriting: REWRITING,
      settings: {
        workers,
        listeners: [
          { name: "internet", listen: "127.0.0.1:0" },
          { name: "inside", kind: "hub", listen: "127.0.0.1:0", from: ["127.0.0.0/8"] },
        ],
      },
    });
    const sent = await all.receive({
      from: FROM,
      to: EVERYONE,
      message: MESSAGE,
    });
    assert.equal(sent.final?.code, 250);
    const messages = await all.inside.waitForMessages(2, 60_000);
    const own = messages.find(({ sender }) => sender === FROM);
    const copy = messages.find(({ sender }) => sender === "");
    assert.deepEqual(own?.recipients, EVERYONE, "one message for all, copied or not");
    assert.deepEqual(copy?.recipients, ["journal@example.org"]);
    const clean = MESSAGE.replace(/X-Postern[^\n]*\n/, "");
    assert.equal(asSent(own!.data), clean);
    assert.equal(asSent(copy!.data), clean);
    assert.doesNotMatch(own!.data.toString(), /journal|X-Postern-Envelope|copy|copies/i);
    assert.deepEqual(copy!.data.toString().match(/^X-Postern-Envelope-.*(?=\r$)/gm), [
      "X-Postern-Envelope-From: <bob@friend.test>",
      "X-Postern-Envelope-To: <full@corp.example.org>",
      "X-Postern-Envelope-To: <ann@corp.example.org>",
      "X-Postern-Envelope-To: <j.doe@corp.example.org>",
    ]);
    await all.edge.waitForLog("delivered", ({ recipients }) =>
      String(recipients).includes("journal@"),
    );
    // What another process noted is there a moment later.
    const story = await waitUntil(
      () => "no story of the copy",
      async () => {
        const told = await storyOf(all.edge, sent.id).catch(() => null);
        const words = told ? describeStory(told).join("\n") : "";
        return words.includes("put off for <journal@") ? words : undefined;
      },
    );
    assert.match(story, /a blind copy goes to <journal@example\.org>/);
    assert.match(story, /put off for <journal@example\.org>: a blind copy/);
  });

test("a journal that is away for a while does not concern the client, and gets its copy later", async () => {
  let isAway = true;
  await using all = await startRewritingEdge({
    rewriting: REWRITING,
    inside: { script: (event) => (isAway && toJournal(event) ? "451 4.3.0 later" : undefined) },
    policies: { limits: LIMITS },
  });
  assert.equal((await all.receive({ from: FROM, to: TO, message: MESSAGE })).final?.code, 250);
  await all.inside.waitFor(() => all.inside.lines.some((line) => line.includes("<journal@")));
  isAway = false;
  await all.inside.waitForMessages(2, 60_000);
  assert.deepEqual(all.inside.messages.map(({ recipients }) => recipients.join()).toSorted(), [
    "ann@corp.example.org",
    "journal@example.org",
  ]);
});

test("a journal that refuses gets nobody a bounce: the copy is held", async () => {
  await using all = await startRewritingEdge({
    rewriting: REWRITING,
    inside: { script: (event) => (toJournal(event) ? "550 5.1.1 no journal" : undefined) },
  });
  assert.equal((await all.receive({ from: FROM, to: TO, message: MESSAGE })).final?.code, 250);
  const held = await all.edge.waitForLog("held");
  assert.deepEqual([held.cause, held.recipients], ["undeliverable", ["journal@example.org"]]);
  assert.equal(all.inside.messages.length, 1);
  assert.equal(all.world.messages.length, 0);
});

test("what is refused is not copied: by a stage, or by the hub to everybody", async () => {
  await using all = await startRewritingEdge({
    rewriting: REWRITING,
    inside: { script: ({ line }) => (line.includes("<ann@") ? "550 5.7.1 not her" : undefined) },
  });
  const unknown = await all.receive({
    from: FROM,
    to: ["nobody@corp.example.org"],
    message: MESSAGE,
  });
  assert.equal(unknown.rcpt[0]?.code, 550);
  const refused = await all.receive({ from: FROM, to: TO, message: MESSAGE });
  assert.match(refused.final?.text ?? "", /^550 5\.7\.1 not her/);
  // The next one is copied: by then a copy of those before would have come.
  const taken = await all.receive({ from: FROM, to: ["j.doe@corp.example.org"], message: MESSAGE });
  assert.equal(taken.final?.code, 250);
  await all.inside.waitForMessages(2, 60_000);
  await all.edge.waitForLog("delivered", ({ recipients }) =>
    String(recipients).includes("journal@"),
  );
  assert.equal(all.inside.lines.filter((line) => line.includes("<journal@")).length, 1);
});
