import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { describeStory } from "../../src/cli/explain.ts";
import { callControl } from "../../src/control/call-control.ts";
import { controlPath } from "../../src/control/control.ts";
import { asSent, type RewritingEdge, startRewritingEdge } from "../support/rewriting-edge.ts";
import { storyOf } from "../support/with-edge.ts";

const REWRITING = {
  addresses: [
    { internal: "corp.example.org", external: "example.org" },
    { internal: "j.doe@corp.example.org", external: "john@example.org" },
  ],
  redirects: [{ recipient: "sales@example.org", to: "us@partner.test" }],
  srs: { domain: "example.org" },
  bounceTags: { "example.org": { mode: "enforce" } },
};
const DSN = { capabilities: ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"] };

const letter = (from: string, to: string, more = "") =>
  `From: ${from}\r\nTo: ${to}\r\n${more}Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n` +
  `Message-ID: <1@corp.example.org>\r\n\r\nj.doe@corp.example.org wrote:\r\n..\r\n. \r\n`;

let all: RewritingEdge;
/** What the world knows as the sender of j.doe's mail. */
let tagged = "";

before(async () => {
  all = await startRewritingEdge({
    rewriting: REWRITING,
    inside: {
      ...DSN,
      script: ({ line }) =>
        line.includes("<full@") ? "552 5.2.2 <full@corp.example.org> is full" : undefined,
    },
    world: { script: ({ line }) => (line.includes("<gone@") ? "550 5.1.1 gone" : undefined) },
    settings: {
      metrics: { listen: "127.0.0.1:0" },
      listeners: [
        { name: "internet", listen: "127.0.0.1:0" },
        { name: "inside", kind: "hub", listen: "127.0.0.1:0", from: ["127.0.0.0/8"] },
      ],
    },
    policies: { limits: { connections: { newPerClientPerMinute: 10_000 } }, dnsbl: { lists: [] } },
  });
});
after(() => all[Symbol.asyncDispose]());

const latest = (server: "inside" | "world") => all[server].messages.at(-1)!;

async function explain(id: string | null): Promise<string> {
  await all.edge.waitForLog("decided", (line) => line.id === id);
  return describeStory(await storyOf(all.edge, id)).join("\n");
}

describe("addresses are rewritten", { concurrency: false }, () => {
  test("outbound: the world sees the external address in envelope and header, nothing else changes", async () => {
    const own = "j.doe@corp.example.org";
    const mail = (address: string) =>
      letter(
        `"Doe, J." <${address}> (${own})`,
        "bob@friend.test",
        `Reply-To: ${address},\r\n\t<x@y.test>\r\n`,
      );
    const sent = await all.send({ from: own, to: ["bob@friend.test"], message: mail(own) });
    assert.equal(sent.final?.code, 250);
    const got = latest("world");
    tagged = got.sender;
    assert.match(tagged, /^prvs=0\d{3}[0-9a-f]{6}=john@example\.org$/);
    assert.equal(asSent(got.data), mail("john@example.org"));
    const story = await explain(sent.id);
    assert.match(
      story,
      /SENDER_REWRITTEN 0: j\.doe@corp\.example\.org → john@example\.org, by j\.doe@/,
    );
    assert.match(story, /HEADER_REWRITTEN 0: From: j\.doe@corp\.example\.org → john@example\.org/);
    assert.match(story, /BOUNCE_TAGGED 0: john@example\.org → prvs=/);
    assert.match(story, /the next server is told the sender <prvs=/);
  });

  test("inbound: a reply reaches the internal address, and the original one goes along for DSN", async () => {
    // The hub has to be met before it is known to offer DSN.
    for (const to of ["john@example.org", "Ann@EXAMPLE.org"]) {
      const message = letter("bob@friend.test", `John <${to}>, (c) ann@example.org`);
      const sent = await all.receive({ from: "bob@friend.test", to: [to], message });
      assert.equal(sent.rcpt[0]?.text, "250 2.1.5 Recipient ok");
      assert.equal(sent.final?.code, 250);
    }
    const [first, second] = all.inside.messages.slice(-2);
    assert.deepEqual(first?.recipients, ["j.doe@corp.example.org"]);
    assert.deepEqual(second?.rcptLines, [
      "RCPT TO:<Ann@corp.example.org> ORCPT=rfc822;Ann@EXAMPLE.org",
    ]);
    assert.equal(
      asSent(first!.data),
      letter("bob@friend.test", "John <j.doe@corp.example.org>, (c) ann@corp.example.org"),
    );
  });

  test("the recipient check asks for the internal address, and the reply tells the spoken one only", async () => {
    const { rcpt } = await all.receive({
      from: "b@friend.test",
      to: ["nobody@example.org"],
      message: "",
    });
    assert.match(rcpt[0]?.text ?? "", /^550 5\.1\.1 Recipient unknown \(ref/);
  });

  test("what the hub says of the internal address is told of the one that was spoken", async () => {
    const sent = await all.receive({
      from: "bob@friend.test",
      to: ["full@example.org"],
      message: letter("bob@friend.test", "full@example.org"),
    });
    assert.match(sent.final?.text ?? "", /^552 5\.2\.2 <full@example\.org> is full \(ref/);
  });

  test("a bounce with the tag comes back to the internal address", async () => {
    const message = letter("MAILER-DAEMON@friend.test", tagged);
    const sent = await all.receive({ from: "", to: [tagged], message });
    assert.equal(sent.final?.code, 250);
    assert.deepEqual(latest("inside").recipients, ["j.doe@corp.example.org"]);
    assert.match(await explain(sent.id), /the tag of the recipient is valid/);
  });

  test("mail that is no bounce may be for an address with a tag, which is taken away", async () => {
    const to = "prvs=0999aaaaaa=john@example.org";
    const sent = await all.receive({
      from: "bob@friend.test",
      to: [to],
      message: letter("a@b.test", to),
    });
    assert.equal(sent.final?.code, 250);
    assert.deepEqual(latest("inside").recipients, ["j.doe@corp.example.org"]);
  });

  test("of a flood of forged bounces none is delivered", async () => {
    const before = all.inside.messages.length + all.world.messages.length;
    for (let i = 0; i < 100; i++) {
      const hex = (i * 7919).toString(16).padStart(6, "0");
      const name = ["john", "ann", "j.doe"][i % 3];
      const to =
        i % 4 === 0 ? `${name}@example.org` : tagged.replace(/[0-9a-f]{6}=.*@/, `${hex}=${name}@`);
      const { rcpt } = await all.receive({ from: "", to: [to], message: "" });
      assert.match(
        rcpt[0]?.text ?? "",
        /^550 5\.7\.1 Bounce of a message that this address did not send/,
        to,
      );
    }
    assert.equal(all.inside.messages.length + all.world.messages.length, before);
  });

  test("postmaster takes bounces all the same", async () => {
    const { rcpt } = await all.receive({ from: "", to: ["postmaster@example.org"], message: "" });
    assert.equal(rcpt[0]?.code, 250);
  });

  test("mail that is redirected outside has a sender of ours, and its bounce goes back through us", async () => {
    const message = letter("ann@first.test", "sales@example.org");
    const sent = await all.receive({ from: "ann@first.test", to: ["sales@example.org"], message });
    assert.equal(sent.final?.code, 250);
    const out = latest("world");
    assert.deepEqual(out.recipients, ["us@partner.test"]);
    assert.match(out.sender, /^SRS0=[a-z2-7]{6}=[a-z2-7]{2}=first\.test=ann@example\.org$/);
    assert.match(await explain(sent.id), /SRS_FORWARDED 0: ann@first\.test → SRS0=/);
    const bounce = await all.receive({
      from: "",
      to: [out.sender],
      message: letter("m@partner.test", "x@y.test"),
    });
    assert.equal(bounce.final?.code, 250);
    assert.deepEqual(
      [latest("world").sender, latest("world").recipients],
      ["", ["ann@first.test"]],
    );
    for (const [from, to] of [
      ["", out.sender.replace("=first.test=", "=evil.test=")],
      ["", out.sender.replace(/^SRS0=./, (start) => (start === "SRS0=2" ? "SRS0=3" : "SRS0=2"))],
      ["eve@evil.test", out.sender],
    ] as const) {
      const { rcpt } = await all.receive({ from, to: [to], message: "" });
      assert.match(rcpt[0]?.text ?? "", /^550 5\.1\.1 /, `${from} to ${to}`);
    }
  });

  test("a bounce of ours goes to the sender as he was spoken, not as the world knows him", async () => {
    const from = "j.doe@corp.example.org";
    const to = ["bob@friend.test", "gone@friend.test"];
    const sent = await all.send({ from, to, message: letter(from, "bob@friend.test") });
    assert.equal(sent.final?.code, 250);
    const bounces = () =>
      all.inside.messages.filter(({ data }) => data.includes("report-type=delivery-status"));
    await all.inside.waitFor(() => bounces().length > 0, 60_000);
    const [bounce] = bounces();
    assert.deepEqual([bounce?.sender, bounce?.recipients], ["", [from]]);
    assert.match(bounce?.data.toString() ?? "", /^To: <j\.doe@corp\.example\.org>\r$/m);
  });

  test("a redirect opens no relay: nobody else's address is taken for it", async () => {
    for (const to of ["us@partner.test", "sales@partner.test", "sales%partner.test@example.org"]) {
      const { rcpt } = await all.receive({ from: "eve@evil.test", to: [to], message: "" });
      assert.match(rcpt[0]?.text ?? "", /^550 5\.7\.1 /, to);
    }
  });

  test("edits and marks are counted", async () => {
    const { host, port } = all.edge.gateway.status!;
    const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
    const value = (line: string) =>
      Number(
        text
          .split("\n")
          .find((one) => one.startsWith(line))
          ?.split(" ")
          .at(-1),
      );
    assert.ok(value('postern_edits_total{stage="rewrite-headers",kind="replace-in-header"}') >= 3);
    assert.ok(value('postern_edits_total{stage="rewrite-sender",kind="set-sender"}') >= 2);
    assert.equal(value('postern_findings_total{symbol="BOUNCE_UNTAGGED"}'), 25);
    assert.equal(value('postern_findings_total{symbol="BOUNCE_TAG_FORGED"}'), 75);
  });
});

test("a bounce that two processes share: each takes the tags of the other", async () => {
  await using edge = await startRewritingEdge({
    rewriting: { bounceTags: { "corp.example.org": { mode: "enforce" } } },
    settings: {
      workers: 2,
      listeners: [
        { name: "internet", listen: "127.0.0.1:0" },
        { name: "inside", kind: "hub", listen: "127.0.0.1:0", from: ["127.0.0.0/8"] },
      ],
    },
  });
  const from = "ann@corp.example.org";
  const message = letter(from, "bob@friend.test");
  for (let i = 0; i < 4; i++)
    assert.equal((await edge.send({ from, to: ["bob@friend.test"], message })).final?.code, 250);
  const senders = edge.world.messages.map(({ sender }) => sender);
  assert.equal(new Set(senders).size, 1, senders.join());
  for (let i = 0; i < 4; i++)
    assert.equal((await edge.receive({ from: "", to: [senders[0]!], message })).final?.code, 250);
});

test("a held message is found by the spoken names, and released to the internal address", async () => {
  await using edge = await startRewritingEdge({
    rewriting: REWRITING,
    policies: {
      pipeline: { thresholds: { quarantine: 0, reject: null } },
    },
  });
  const message = letter("bob@friend.test", "john@example.org");
  const sent = await edge.receive({ from: "bob@friend.test", to: ["john@example.org"], message });
  assert.equal(sent.final?.code, 250);
  const held = await edge.edge.waitForLog("held");
  assert.deepEqual(held.recipients, ["john@example.org"]);
  const options = { timeoutMs: 20_000, clock: createSystemClock() };
  const path = controlPath(`${edge.edge.folder}/data`);
  const ask = (command: string, args: Record<string, unknown>) =>
    callControl(path, { command, args }, options);
  const found = await ask("quarantine.list", { recipient: "john@", limit: 5 });
  assert.equal(found.length, 1, JSON.stringify(found));
  await ask("quarantine.release", { id: held.holdId, by: "a test", force: false });
  const [released] = await edge.inside.waitForMessages(1, 60_000);
  assert.deepEqual(released?.recipients, ["j.doe@corp.example.org"]);
  assert.equal(asSent(released!.data), letter("bob@friend.test", "j.doe@corp.example.org"));
});
