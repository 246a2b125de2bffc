import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { openCommands } from "../../src/compose-commands.ts";
import { callControl } from "../../src/control/call-control.ts";
import { controlPath } from "../../src/control/control.ts";
import type { Hold } from "../../src/quarantine/quarantine.ts";
import { loadSettings } from "../../src/settings.ts";
import { startFakeDns } from "../support/fake-dns.ts";
import { sendMail } from "../support/send-mail.ts";
import type { TestGateway } from "../support/test-gateway.ts";
import { withEdge } from "../support/with-edge.ts";

const MESSAGE = join(
  import.meta.dirname,
  "../messages/attachments/attachment-in-an-unknown-encoding-is-held.eml",
);

function command({ folder }: TestGateway, name: string, args: unknown) {
  const options = { timeoutMs: 15_000, clock: createSystemClock() };
  return callControl(controlPath(`${folder}/data`), { command: name, args }, options);
}

async function listHolds(edge: TestGateway): Promise<readonly Hold[]> {
  return (await command(edge, "quarantine.list", { limit: 10 })) as readonly Hold[];
}

test("recipients whose scores differ have held copies of their own, each with its score", async () => {
  // In order but for SPF: nothing else has a score.
  const dns = await startFakeDns({
    "doubtful.test": { TXT: ["v=spf1 ~all"], MX: [[10, "mail.doubtful.test"]] },
    "mail.friend.test": { A: ["127.0.0.1"] },
    "1.0.0.127.in-addr.arpa": { PTR: ["mail.friend.test"] },
  });
  const policies = { "sender-auth": { spf: { scores: { softfail: 3 } } } };
  try {
    await withEdge({ dnsServer: dns.address, policies }, async (edge) => {
      // Nobody's score counts for postmaster; a verdict of the attachments does.
      const to = ["alice@example.org", "postmaster@example.org", "bob@example.org"];
      const message = await readFile(MESSAGE);
      const sent = await sendMail({ port: edge.port, from: "a@doubtful.test", to, message });
      assert.equal(sent.final?.code, 250);
      const copies = (await listHolds(edge)).map(({ score, cause, envelope }) => [
        score,
        cause,
        envelope.recipients.map(({ address }) => address.spoken),
      ]);
      assert.deepEqual(
        copies.toSorted((a, b) => Number(b[0]) - Number(a[0])),
        [
          [6, "unscannable", ["alice@example.org", "bob@example.org"]],
          [0, "unscannable", ["postmaster@example.org"]],
        ],
      );
    });
  } finally {
    await dns.close();
  }
});

test("recipients in whose place others are put share a held copy all the same", () => {
  const policies = {
    domains: { domains: { "example.org": { verify: "off" } } },
    rewriting: {
      addresses: ["alice", "bob"].map((name) => ({
        internal: `${name}.inside@example.org`,
        external: `${name}@example.org`,
      })),
    },
  };
  return withEdge({ policies }, async (edge) => {
    const to = ["alice@example.org", "bob@example.org"];
    await sendMail({ port: edge.port, to, message: await readFile(MESSAGE) });
    const holds = await listHolds(edge);
    assert.deepEqual(
      holds.map(({ envelope }) => envelope.recipients.map(({ address }) => address.spoken)),
      [["alice.inside@example.org", "bob.inside@example.org"]],
    );
  });
});

test("a release to where no connector leads is refused at once, by a gateway and without one", () =>
  withEdge({}, async (edge, hub) => {
    await sendMail({ port: edge.port, message: await readFile(MESSAGE) });
    const [hold] = await listHolds(edge);
    const order = { id: hold?.id, by: "a", to: "boss@nowhere.test", force: false };
    const refusal = /no connector in routing\.yaml takes mail for nowhere\.test; --to/;
    await assert.rejects(command(edge, "quarantine.release", order), refusal);
    assert.equal((await listHolds(edge))[0]?.state, "held");
    await edge.stop();
    const file = edge.settingsFile;
    const settings = await loadSettings({ file, env: {}, cwd: edge.folder });
    const port = await openCommands(settings, createSilentLog());
    try {
      await assert.rejects(port.call("quarantine.release", order), refusal);
      const to = "boss@example.org";
      const [released] = await port.call("quarantine.release", { ...order, to });
      assert.deepEqual((released as { recipients: unknown }).recipients, [to]);
    } finally {
      await port.close();
    }
    assert.equal(hub.messages.length, 0);
  }));
