import assert from "node:assert/strict";
import { test } from "node:test";
import { describeStory } from "../../src/cli/explain.ts";
import { startFakeClamd } from "../support/fake-clamd.ts";
import { LETTER, MESSAGE, withUsers } from "../support/outbound-scene.ts";
import { RawClient } from "../support/raw-client.ts";
import type { HubMessage } from "../support/scripted-hub.ts";
import { sendMail } from "../support/send-mail.ts";
import { createTestAuthority } from "../support/test-authority.ts";
import type { TestGateway } from "../support/test-gateway.ts";
import { logOn, securedClient, submit } from "../support/user-file.ts";
import { waitUntil } from "../support/wait-until.ts";
import { storyOf, withEdge } from "../support/with-edge.ts";

const headOf = ({ data }: HubMessage) => data.toString("latin1").split("\r\n\r\n")[0] ?? "";

async function metrics(edge: TestGateway): Promise<string> {
  const { host, port } = edge.gateway.status!;
  return (await fetch(`http://${host}:${port}/metrics`)).text();
}

for (const workers of [1, 2]) {
  test(`who logs on relays to the outside, in the pipeline of ours (workers: ${workers})`, () =>
    withUsers({ workers }, async ({ edge, hub }) => {
      const client = await securedClient(edge);
      assert.equal((await client.say("MAIL FROM:<alice@example.org>")).code, 530);
      assert.equal((await logOn(client, "alice@EXAMPLE.org", "secret")).code, 235);
      assert.equal((await submit(client, LETTER)).code, 250);
      const [message] = await hub.waitForMessages(1);
      assert.match(headOf(message!), / by mx\.example\.org \(Postern\) with\s+ESMTPSA /);
      assert.ok(!headOf(message!).includes("Alice@"), "the name of the user is nobody's business");
      const decided = await edge.waitForLog("decided");
      assert.deepEqual([decided.pipeline, decided.user], ["outbound", "Alice@example.org"]);
      const story = await storyOf(edge, String(decided.id));
      assert.deepEqual(story.record.relay, { by: "password", user: "Alice@example.org" });
      const stages = story.record.reports.map(({ stage }) => stage);
      assert.deepEqual(stages, [
        ...["access", "own-sender", "sender-rate", "recipient-rate", "domains"],
        ...["attachments", "antivirus"],
      ]);
      const told = describeStory(story).join("\n");
      assert.match(told, /^ {2}pipeline +outbound$/m);
      assert.match(told, /^ {2}may relay +because it logged on as Alice@example\.org$/m);
      assert.match(told, /the user alice@example\.org had 0 to his account before/);
      const exposed = await metrics(edge);
      assert.match(exposed, /postern_smtp_logons_total\{[^}]*outcome="accepted"[^}]*\} 1/);
      assert.match(exposed, /postern_decisions_total\{[^}]*pipeline="outbound"[^}]*\} 1/);
      client.destroy();
    }));

  test(`the rate of a user is one, whichever process he comes to (workers: ${workers})`, () => {
    const policies = { rates: { messages: { perHour: 1, atOnce: 5 } } };
    return withUsers({ workers, policies }, async ({ edge, hub }) => {
      const replies = await Promise.all(
        Array.from({ length: 8 }, async (_, i) => {
          const client = await securedClient(edge, `127.0.2.${i + 1}`);
          await logOn(client, "alice@example.org", "secret");
          const reply = await submit(client, LETTER);
          client.destroy();
          return reply.text;
        }),
      );
      const refused = replies.filter((text) => !text.startsWith("250"));
      assert.equal(refused.length, 3, replies.join("\n"));
      for (const text of refused) assert.match(text, /^450 4\.7\.1 Too much mail/);
      await hub.waitForMessages(5);
      await edge.waitForLog("sender-rate");
      const told = edge.log.filter(({ event }) => event === "sender-rate");
      assert.equal(told.length, 1);
      assert.equal(told[0]?.name, "alice@example.org");
      assert.match(await metrics(edge), /postern_sender_rate_refusals_total\{[^}]*\} \d/);
    });
  });

  test(`an address that fails too often is turned away by all processes (workers: ${workers})`, () => {
    const limits = { connections: { perClient: 40, newPerClientPerMinute: 1000 } };
    return withUsers({ workers, policies: { limits } }, async ({ edge }) => {
      const clients = await Promise.all(Array.from({ length: 30 }, () => securedClient(edge)));
      // Not answered for five seconds, and counted before that.
      for (const client of clients) client.send("AUTH PLAIN AGFsaWNlAHdyb25n\r\n");
      const failed = () => edge.log.filter(({ event }) => event === "logon-failed");
      await waitUntil(
        () => `only ${failed().length} were judged`,
        () => failed().length === 30 || undefined,
        60_000,
      );
      const refused = failed().filter(({ outcome }) => outcome === "refused").length;
      // Two are looked at together, in one process or in two.
      assert.ok(refused === 20 || refused === 21, `${refused} passwords were looked at`);
      const late = await securedClient(edge);
      assert.match((await logOn(late, "alice@example.org", "secret")).text, /^421 4\.7\.0 /);
      const elsewhere = await securedClient(edge, "127.0.3.1");
      assert.equal((await logOn(elsewhere, "alice@example.org", "secret")).code, 235);
      for (const client of [...clients, late, elsewhere]) client.destroy();
    });
  });
}

test("malware and forbidden attachments are refused in the session, also of ours", async () => {
  const clamd = await startFakeClamd();
  try {
    await withUsers({ clamd: [clamd.address] }, async ({ edge, hub }) => {
      const client = await securedClient(edge);
      await logOn(client, "alice@example.org", "secret");
      const infected = { ...LETTER, message: `${MESSAGE}[[found Worm.Test]]\r\n` };
      assert.match((await submit(client, infected)).text, /^550 5\.7\.1 .*malware \(Worm\.Test\)/);
      const program =
        "MIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=a.exe\r\n\r\nMZ\r\n";
      const forbidden = { ...LETTER, message: `From: <alice@example.org>\r\n${program}` };
      assert.match((await submit(client, forbidden)).text, /^550 5\.7\.1 Attachment not accepted/);
      assert.equal((await submit(client, LETTER)).code, 250);
      assert.equal((await hub.waitForMessages(1)).length, 1);
      client.destroy();
    });
  } finally {
    await clamd.close();
  }
});

test("a user sends under our domains alone, and the null sender", () =>
  withUsers({}, async ({ edge }) => {
    const client = await securedClient(edge);
    await logOn(client, "alice@example.org", "secret");
    const said = await submit(client, { ...LETTER, from: "ceo@elsewhere.test" });
    assert.match(said.text, /^550 5\.7\.1 The sender address is of no domain of ours/);
    const decided = await edge.waitForLog("decided");
    assert.deepEqual([decided.cause, decided.stage], ["sender-not-ours", "own-sender"]);
    assert.equal((await submit(client, { ...LETTER, from: "" })).code, 250);
    client.destroy();
  }));

test("with required a password is needed within the networks too", () => {
  const open = { from: ["127.0.0.0/8"] };
  return withUsers({ listener: open }, async ({ edge, users }) => {
    const free = await sendMail({ port: edge.port, ...LETTER, to: [LETTER.to] });
    assert.equal(free.final?.code, 250);
    const { record } = await storyOf(edge, free.id);
    assert.deepEqual(record.relay, { by: "network", network: "127.0.0.0/8" });
    const auth = { users: users.path, required: true };
    await withUsers({ listener: { ...open, auth } }, async ({ edge: strict }) => {
      const bare = await sendMail({ port: strict.port, ...LETTER, to: [LETTER.to] });
      assert.match(bare.mail.text, /^530 5\.7\.0 Must issue a STARTTLS/);
      const client = await securedClient(strict);
      assert.match((await submit(client, LETTER)).text, /^530 5\.7\.0 Authentication required/);
      await logOn(client, "alice@example.org", "secret");
      assert.equal((await submit(client, LETTER)).code, 250);
      client.destroy();
    });
  });
});

test("a certificate is one way in and a password the other", async () => {
  await using authority = await createTestAuthority();
  const shown = await authority.issue("hub.inside");
  const tls = { clientCa: authority.certFile, required: true };
  await withUsers({ listener: { tls } }, async ({ edge }) => {
    const hub = await RawClient.open({ port: edge.port });
    await hub.reply();
    await hub.say("STARTTLS");
    await hub.secure({ cert: shown.cert, key: shown.key });
    await hub.say("EHLO hub.inside");
    assert.equal((await submit(hub, LETTER)).code, 250);
    const stranger = await securedClient(edge);
    assert.equal((await submit(stranger, LETTER)).code, 530);
    await logOn(stranger, "alice@example.org", "secret");
    assert.equal((await submit(stranger, LETTER)).code, 250);
    for (const client of [hub, stranger]) client.destroy();
  });
});

test("who shows nothing at a hub listener is judged as a stranger, from the connection on", async () => {
  await using authority = await createTestAuthority();
  const inside = { name: "inside", kind: "hub", listen: "127.0.0.1:0" };
  const settings = { listeners: [{ ...inside, tls: { clientCa: authority.certFile } }] };
  await withEdge({ settings }, async (edge) => {
    const sent = await sendMail({ port: edge.port, message: MESSAGE, from: "a@friend.test" });
    assert.equal(sent.final?.code, 250);
    const { record } = await storyOf(edge, sent.id);
    assert.equal(record.pipeline, "inbound");
    const stages = record.reports.map(({ stage }) => stage);
    for (const stage of ["access", "dnsbl", "helo", "spf"])
      assert.ok(stages.includes(stage), stage);
  });
});

test("the outside does not see the inside, and a loop is found all the same", () => {
  const pipeline = {
    outbound: { headers: { remove: ["X-Originating-IP", "X-Inside-*"], received: "remove" } },
  };
  const own = "Received: from a by mx.example.org (Postern) with ESMTP id X; date\r\n";
  const inside =
    "Received: from laptop ([10.1.2.3]) by hub.inside; date\r\nX-Originating-IP: [10.1.2.3]\r\n" +
    "X-Inside-Rule: 7\r\n";
  return withUsers({ policies: { pipeline } }, async ({ edge, hub }) => {
    const client = await securedClient(edge);
    await logOn(client, "alice@example.org", "secret");
    const letter = (head: string) => ({ ...LETTER, message: head + MESSAGE });
    assert.equal((await submit(client, letter(inside + own))).code, 250);
    const [message] = await hub.waitForMessages(1);
    const head = headOf(message!);
    assert.doesNotMatch(head, /10\.1\.2\.3|hub\.inside|X-Inside|client\.test|127\.0\.0\.1/);
    assert.equal(head.match(/^Received:/gm)?.length, 2);
    assert.match(head, /^Received: by mx\.example\.org \(Postern\) with ESMTPSA/m);
    assert.match((await submit(client, letter(own.repeat(4)))).text, /^554 5\.4\.6 /);
    assert.match((await submit(client, letter(inside.repeat(51)))).text, /^554 5\.4\.6 /);
    client.destroy();
  });
});

test("a user who is taken out of the file does not get in again, and no restart is needed", () =>
  withUsers({}, async ({ edge, users }) => {
    const before = await securedClient(edge);
    assert.equal((await logOn(before, "alice@example.org", "secret")).code, 235);
    await users.replace({ bob: "other" });
    await edge.gateway.reloadCertificates();
    await edge.waitForLog("users-reloaded");
    const [gone, come] = [await securedClient(edge), await securedClient(edge)];
    gone.send("AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlY3JldA==\r\n");
    await edge.waitForLog("logon-failed", ({ name }) => name === "alice@example.org");
    assert.equal((await logOn(come, "bob", "other")).code, 235);
    assert.equal((await submit(before, LETTER)).code, 250);
    for (const client of [before, gone, come]) client.destroy();
  }));
