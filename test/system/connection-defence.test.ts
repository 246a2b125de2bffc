import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sayEvidence } from "../../src/cli/evidence-sentences.ts";
import type { StageReport } from "../../src/pipeline/report.ts";
import type { GreylistEvidence } from "../../src/stages/greylist/greylist.ts";
import { type FakeDns, startFakeDns } from "../support/fake-dns.ts";
import { RawClient } from "../support/raw-client.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { storyOf } from "../support/with-edge.ts";

// One shape of the gateway and the other: what is counted and remembered is so for all processes.

const NAMED = "127.0.0.3";
const LISTED = "127.0.0.66";
const ZONE = {
  "2.0.0.127.bl.test": { A: ["127.0.0.2"] },
  "66.0.0.127.bl.test": { A: ["127.0.0.2"] },
  "3.0.0.127.in-addr.arpa": { PTR: ["named.test"] },
  "named.test": { A: [NAMED] },
  "friend.test": { TXT: ["v=spf1 ip4:127.0.0.0/28 -all"], MX: [[10, "named.test"]] as const },
};
const POLICIES = {
  dnsbl: { rejectAt: null, lists: [{ zone: "bl.test", score: 4 }] },
  connection: {
    pregreet: { from: 4, delaySeconds: 60 },
    greylist: { delays: "suspicious" },
  },
  rates: { "message-rate": { client: null, sender: { perHour: 1, atOnce: 3 } } },
} as const;

for (const workers of [1, 2]) {
  const named = (text: string) => `${text} (${workers} worker${workers > 1 ? "s" : ""})`;
  let hub: ScriptedHub;
  let dns: FakeDns;
  let edge: TestGateway;

  before(async () => {
    hub = await startScriptedHub();
    dns = await startFakeDns(ZONE);
    edge = await startTestGateway({
      hubPort: hub.port,
      dnsServer: dns.address,
      policies: POLICIES,
      settings: { workers },
    });
  });

  after(async () => {
    await edge?.remove();
    await dns?.close();
    await hub?.close();
  });

  const send = (over: Partial<Parameters<typeof sendMail>[0]>) =>
    sendMail({ port: edge.port, helo: "named.test", message: SIMPLE_MESSAGE, ...over });

  const reportOf = async (id: string | null, stage: string): Promise<StageReport> => {
    const { record } = await storyOf(edge, id);
    const found = record.reports.find((report) => report.stage === stage);
    assert.ok(found, stage);
    return found;
  };

  test(named("who has no reverse name is told to come again, and known when it does"), async () => {
    const first = await send({ localAddress: "127.0.0.1", from: "grey@friend.test" });
    assert.match(
      first.rcpt[0]?.text ?? "",
      /^451 4\.7\.1 Greylisted, try again in 300 seconds \(ref /,
    );
    for (const localAddress of ["127.0.0.1", "127.0.0.4"]) {
      const again = await send({ localAddress, from: "grey@friend.test" });
      assert.match(again.rcpt[0]?.text ?? "", /^451 4\.7\.1 Greylisted/);
      const { evidence } = await reportOf(again.id, "greylist");
      const { answer, party } = evidence as unknown as GreylistEvidence;
      assert.ok(answer.kind === "known");
      assert.deepEqual([answer.state, party.by, party.name], ["early", "spf", "friend.test"]);
      const [said] = sayEvidence("greylist", evidence) ?? [];
      assert.match(
        said ?? "",
        /^the servers of friend\.test with mail from <grey@friend\.test>: it came again too early, first at .*; .* to wait$/,
      );
    }
  });

  test(
    named("postmaster is told nothing of the kind, and who is named is not suspicious"),
    async () => {
      const to = ["postmaster@example.org"];
      const sent = await send({ localAddress: "127.0.0.1", from: "grey@friend.test", to });
      assert.match(sent.final?.text ?? "", /^250 /);
      const named = await send({ localAddress: NAMED, from: "white@friend.test" });
      assert.match(named.final?.text ?? "", /^250 /);
      const { evidence } = await reportOf(named.id, "reverse-dns");
      assert.deepEqual(sayEvidence("reverse-dns", evidence), [
        `${NAMED} has a name that leads back to it`,
        `  named.test has the address (${NAMED})`,
      ]);
    },
  );

  test(
    named("a proven sender goes on until his burst is used up, in whichever process"),
    async () => {
      const from = "burst@friend.test";
      for (let i = 0; i < 3; i++)
        assert.match((await send({ localAddress: NAMED, from })).final?.text ?? "", /^250 /);
      const over = await send({ localAddress: NAMED, from });
      assert.match(over.rcpt[0]?.text ?? "", /^450 4\.7\.1 /);
      const { evidence } = await reportOf(over.id, "message-rate");
      assert.deepEqual(sayEvidence("message-rate", evidence), [
        "the sender burst@friend.test had 3 to its account before",
      ]);
      assert.match((await send({ localAddress: NAMED })).final?.text ?? "", /^250 /);
    },
  );

  test(
    named("a listed client waits for its greeting, and who speaks before it is refused"),
    async () => {
      const client = await RawClient.open({ port: edge.port, localAddress: LISTED });
      assert.equal(await client.line(), "220-mx.example.org please wait");
      client.send("EHLO spam.test\r\n");
      assert.match((await client.reply()).text, /^554 5\.5\.0 /);
      client.destroy();
    },
  );

  test(
    named("who calls itself by our name is refused for persons, and heard by postmaster"),
    async () => {
      const to = ["alice@example.org", "postmaster@example.org"];
      const sent = await send({ localAddress: NAMED, helo: "MX.example.org", to });
      assert.match(sent.rcpt[0]?.text ?? "", /^550 5\.7\.1 HELO name is ours, not yours \(ref /);
      assert.match(sent.final?.text ?? "", /^250 /);
      const { evidence } = await reportOf(sent.id, "helo");
      assert.match(
        sayEvidence("helo", evidence)?.[0] ?? "",
        /^the client calls itself mx\.example\.org, a name/,
      );
    },
  );
}
