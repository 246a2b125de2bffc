import assert from "node:assert/strict";
import { test } from "node:test";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { TEST_POLICIES } from "../support/test-gateway.ts";
import { greet, withEdge } from "../support/with-edge.ts";

/** Every recipient exists, so that nothing but the address itself can refuse. */
const OPEN_DOORS = {
  domains: { domains: { "example.org": { verify: "off" } } },
  limits: { session: { errorsSoft: 1000, errorsHard: 1000 } },
};

/** Forms by which a relay has been fooled somewhere. `@` of ours and of others, in every disguise. */
const FOREIGN = [
  "victim@elsewhere.test",
  "postmaster@elsewhere.test",
  "abuse@elsewhere.test",
  "victim@notexample.org",
  "victim@sub.example.org",
  "victim@example.org.elsewhere.test",
  "victim@example.orgg",
  "victim@org",
  "victim%elsewhere.test@example.org",
  "elsewhere.test!victim@example.org",
  "victim@elsewhere.test@example.org",
  "victim@example.org@elsewhere.test",
  '"victim@elsewhere.test"@example.org',
  '"victim%elsewhere.test"@example.org',
  '"@elsewhere.test:victim"@example.org',
  '"elsewhere.test!victim"@example.org',
  '"victim\\@elsewhere.test"@example.org',
  '"postmaster@elsewhere.test"@example.org',
  "postmaster%elsewhere.test@example.org",
  "@example.org:victim@elsewhere.test",
  "@elsewhere.test:victim@example.org",
  "@example.org,@example.org:victim@elsewhere.test",
  "victim@[127.0.0.1]",
  "victim@[IPv6:::1]",
  "victim@127.0.0.1",
  "victim@example.org.",
  "victim@example.org%00.elsewhere.test",
  "victim@example.org\tx",
  "victim@example.org victim@elsewhere.test",
  "victim@example.org><victim@elsewhere.test",
  "victim@.example.org",
  "victim@example..org",
  "victim@",
  "@example.org",
  "victim",
  "postmaster@",
  '"postmaster"',
  "victim@example.org\x00",
  "victim@ex\xe4mple.org",
  "victim\uff20elsewhere.test@example.org",
  "victim\uff05elsewhere.test@example.org",
  "victim@example\u3002org.elsewhere.test",
  "victim@elsewhere.test\u200b@example.org",
];

for (const smtputf8 of ["", " SMTPUTF8"])
  test(`no form of address relays through us${smtputf8 && ", with SMTPUTF8 neither"}`, async () => {
    await withEdge({ policies: OPEN_DOORS }, async (edge, hub) => {
      const client = await greet(edge);
      await client.say(`MAIL FROM:<carol@friend.test>${smtputf8}`);
      for (const address of FOREIGN) {
        const { code, text } = await client.say(`RCPT TO:<${address}>`);
        assert.ok(code >= 500, `${JSON.stringify(address)} got ${text}`);
      }
      assert.equal((await client.say("DATA")).code, 554);
      assert.equal((await client.say("RCPT TO:<alice@EXAMPLE.org>")).code, 250);
      client.destroy();
      assert.equal(hub.messages.length, 0);
    });
  });

test("the bare postmaster is ours in any case, and goes to the hub as spoken", async () => {
  await withEdge({ policies: OPEN_DOORS }, async (edge, hub) => {
    const sent = await sendMail({ port: edge.port, to: ["PostMaster"], message: SIMPLE_MESSAGE });
    assert.equal(sent.final?.code, 250);
    assert.deepEqual(hub.messages[0]?.recipients, ["PostMaster"]);
  });
});

test("the envelope reaches the hub as it was spoken, whatever it looks like", async () => {
  await withEdge({ policies: OPEN_DOORS }, async (edge, hub) => {
    const to = ['"a b\\"c"@example.org', "o'brien+tag=x@Example.ORG", "#{}|~@example.org"];
    const from = '"\\ odd sender"@Friend.TEST';
    const sent = await sendMail({ port: edge.port, from, to, message: SIMPLE_MESSAGE });
    assert.deepEqual([sent.rcpt.map(({ code }) => code), sent.final?.code], [[250, 250, 250], 250]);
    assert.deepEqual([hub.messages[0]?.sender, hub.messages[0]?.recipients], [from, to]);
  });
});

/** A policy that refuses everybody by name, yet in monitor mode refuses nobody for it. */
const MONITOR = {
  ...TEST_POLICIES,
  pipeline: { mode: "monitor" },
  access: { block: [{ client: "127.0.0.0/8", reason: "for the test" }] },
};

test("monitor mode relays nothing foreign, not even for a client that every stage refuses", async () => {
  await withEdge({ policies: MONITOR }, async (edge, hub) => {
    const to = ["victim@elsewhere.test", "nobody@example.org", "alice@example.org"];
    const sent = await sendMail({ port: edge.port, to, message: SIMPLE_MESSAGE });
    assert.match(sent.rcpt[0]?.text ?? "", /^550 5\.7\.1 Relaying denied/);
    assert.match(sent.rcpt[1]?.text ?? "", /^550 5\.1\.1 /);
    assert.deepEqual([sent.rcpt[2]?.code, sent.final?.code], [250, 250]);
    assert.deepEqual(hub.messages[0]?.recipients, ["alice@example.org"]);
    assert.match(hub.messages[0]?.data.toString() ?? "", /would=reject/);
  });
});
