import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { createSystemClock } from "../../src/base/clock.ts";
import { callControl } from "../../src/control/call-control.ts";
import { controlPath } from "../../src/control/control.ts";
import { startFakeClamd } from "../support/fake-clamd.ts";
import { type FakeDns, startFakeDns } from "../support/fake-dns.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import type { TestGateway } from "../support/test-gateway.ts";
import { greet, openTransaction, withEdge } from "../support/with-edge.ts";

const LISTED = "127.0.0.66";
const LISTS = { lists: [{ zone: "bl.test", score: 6, canary: false }] };

async function withLists(work: (dns: FakeDns) => Promise<void>): Promise<void> {
  const txt = ["Listed\r\n250 OK\u2028", "\x1b[31m see http://bl.test/"];
  const dns = await startFakeDns({
    "66.0.0.127.bl.test": { A: ["127.0.0.4"], TXT: txt },
    "66.0.0.127.second.test": { A: ["127.0.0.4"] },
    "friend.test": { A: ["192.0.2.25"] },
  });
  try {
    await work(dns);
  } finally {
    await dns.close();
  }
}

function sendAs(edge: TestGateway, to: readonly string[], localAddress = LISTED) {
  return sendMail({ port: edge.port, localAddress, to, message: SIMPLE_MESSAGE });
}

test("a listed client reaches postmaster and abuse, and in the same transaction nobody else", async () => {
  await withLists((dns) =>
    withEdge({ dnsServer: dns.address, policies: { dnsbl: LISTS } }, async (edge, hub) => {
      const to = ["alice@example.org", "Postmaster@example.org", "abuse@example.org", "postmaster"];
      const sent = await sendAs(edge, to);
      assert.deepEqual(
        sent.rcpt.map(({ code }) => code),
        [550, 250, 250, 250],
      );
      const [refusal] = sent.rcpt;
      assert.match(
        refusal?.text ?? "",
        /^550 5\.7\.1 [\x20-\x7e]*\[127\.0\.0\.66\] blocked using bl\.test/,
      );
      assert.equal(sent.final?.code, 250);
      assert.deepEqual(
        hub.messages.flatMap(({ recipients }) => recipients),
        to.slice(1),
      );
      const record = await edge.waitForLog("decided");
      assert.deepEqual([record.action, record.recipients], ["relay", [...to.slice(1), to[0]]]);
    }),
  );
});

test("a listed client reaches no postmaster of others", async () => {
  await withLists((dns) =>
    withEdge({ dnsServer: dns.address, policies: { dnsbl: LISTS } }, async (edge) => {
      const sent = await sendAs(edge, ["postmaster@elsewhere.test", "abuse@elsewhere.test"]);
      for (const { text } of sent.rcpt) assert.match(text, /^550 5\.7\.1 /);
    }),
  );
});

test("an allowed client is past the stages of its scope only", async () => {
  const allow = (scope: readonly string[] | undefined) => ({
    dnsbl: LISTS,
    access: { allow: [{ client: "127.0.0.66", reason: "for the test", ...(scope && { scope }) }] },
  });
  await withLists(async (dns) => {
    for (const [scope, code] of [
      [["dnsbl"], 250],
      [["spf"], 550],
      [undefined, 250],
    ] as const)
      await withEdge({ dnsServer: dns.address, policies: allow(scope) }, async (edge) => {
        const sent = await sendAs(edge, ["alice@example.org", "victim@elsewhere.test"]);
        assert.deepEqual(
          sent.rcpt.map((reply) => reply.code),
          [code, 550],
        );
      });
  });
});

test("a stage in observe mode tells what it saw and refuses nobody", async () => {
  const steps = [["access"], [{ stage: "dnsbl", mode: "observe" }]];
  const pipeline = { phases: { connect: { steps }, helo: { steps: [] } } };
  // Files that give the stages left out nothing to do.
  const idle = { connection: {}, rates: {} };
  await withLists((dns) =>
    withEdge(
      { dnsServer: dns.address, policies: { dnsbl: LISTS, pipeline, ...idle } },
      async (edge, hub) => {
        assert.equal((await sendAs(edge, ["alice@example.org"])).final?.code, 250);
        assert.match(
          hub.messages[0]?.data.toString() ?? "",
          /X-Postern-Report: [^;]*; [^;]*; score=0;/,
        );
        assert.match(JSON.stringify(await edge.waitForLog("decided")), /DNSBL_BL_TEST/);
      },
    ),
  );
});

test("a list added while a client is connected is asked for its next message", async () => {
  await withLists((dns) =>
    withEdge({ dnsServer: dns.address, policies: { dnsbl: LISTS } }, async (edge) => {
      const client = await greet(edge);
      await client.say("MAIL FROM:<carol@friend.test>");
      assert.equal((await client.say("RCPT TO:<alice@example.org>")).code, 250);
      const lists = [...LISTS.lists, { zone: "second.test", score: 6, canary: false }];
      await writeFile(join(edge.folder, "policies", "dnsbl.yaml"), stringify({ lists }));
      await edge.gateway.reloadPolicy();
      await client.say("RSET");
      await client.say("MAIL FROM:<carol@friend.test>");
      assert.match((await client.say("RCPT TO:<alice@example.org>")).text, /^250 /);
      assert.equal(dns.count("A 1.0.0.127.second.test"), 1);
      client.destroy();
    }),
  );
});

const malwareHeld = {
  antivirus: { onInfected: "quarantine", onEncrypted: "quarantine", onNotScanned: "quarantine" },
};

async function release(edge: TestGateway, id: unknown, force: boolean): Promise<unknown> {
  const args = { id, by: "tester", force };
  const options = { timeoutMs: 5000, clock: createSystemClock() };
  const path = controlPath(join(edge.folder, "data"));
  return callControl(path, { command: "quarantine.release", args }, options);
}

test("malware that is held leaves only by force, and then once", async () => {
  const clamd = await startFakeClamd();
  const options = { clamd: [clamd.address], policies: malwareHeld };
  await withEdge(options, async (edge, hub) => {
    const message = `${SIMPLE_MESSAGE}[[found Win.Test.EICAR_HDB-1]]\r\n`;
    const sent = await sendMail({ port: edge.port, message });
    assert.equal(sent.final?.code, 250);
    const { holdId, cause } = await edge.waitForLog("held");
    assert.equal(cause, "malware");
    await assert.rejects(release(edge, holdId, false), /force/);
    assert.equal(hub.messages.length, 0);
    const both = await Promise.allSettled([
      release(edge, holdId, true),
      release(edge, holdId, true),
    ]);
    assert.equal(both.filter(({ status }) => status === "fulfilled").length, 1);
    await hub.waitForMessages(1);
    await edge.waitForLog("delivered");
    await edge.stop();
    assert.equal(hub.messages.length, 1);
  }).finally(() => clamd.close());
});

test("a hub that takes one recipient, refuses one and puts one off gets each right", async () => {
  const domains = { domains: { "example.org": { verify: "off" } } };
  const script = ({ step, line }: { step: string; line: string }) => {
    if (step !== "rcpt") return undefined;
    if (line.includes("bob")) return "550 5.1.1 no bob";
    return line.includes("dora") ? "451 4.2.1 dora sleeps" : undefined;
  };
  await withEdge({ hub: { script }, policies: { domains } }, async (edge, hub) => {
    const client = await openTransaction(edge, [
      "alice@example.org",
      "bob@example.org",
      "dora@example.org",
    ]);
    await client.say("DATA");
    client.send(`${SIMPLE_MESSAGE}.\r\n`);
    assert.match((await client.reply()).text, /^250 /);
    client.destroy();
    assert.deepEqual(hub.messages[0]?.recipients, ["alice@example.org"]);
    const held = await edge.waitForLog("held");
    assert.deepEqual([held.cause, held.recipients], ["undeliverable", ["bob@example.org"]]);
    const deferred = await edge.waitForLog("deferred");
    assert.deepEqual(deferred.recipients, ["dora@example.org"]);
  });
});
