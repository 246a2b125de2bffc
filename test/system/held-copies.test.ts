import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { callControl } from "../../src/control/call-control.ts";
import { controlPath } from "../../src/control/control.ts";
import type { Hold } from "../../src/quarantine/quarantine.ts";
import { startFakeDns } from "../support/fake-dns.ts";
import { sendMail } from "../support/send-mail.ts";
import { withEdge } from "../support/with-edge.ts";

const MESSAGE = join(
  import.meta.dirname,
  "../messages/attachments/attachment-in-an-unknown-encoding-is-held.eml",
);

test("recipients whose scores differ have held copies of their own, each with its score", async () => {
  const dns = await startFakeDns({ "doubtful.test": { TXT: ["v=spf1 ~all"] } });
  const policies = { "sender-auth": { spf: { scores: { softfail: 3 } } } };
  try {
    await withEdge({ dnsServer: dns.address, policies }, async (edge) => {
      // Nobody's score counts for postmaster; a verdict of the attachments does.
      const to = ["alice@example.org", "postmaster@example.org", "bob@example.org"];
      const message = await readFile(MESSAGE);
      const sent = await sendMail({ port: edge.port, from: "a@doubtful.test", to, message });
      assert.equal(sent.final?.code, 250);
      const request = { command: "quarantine.list", args: { limit: 10 } };
      const options = { timeoutMs: 15_000, clock: createSystemClock() };
      const path = controlPath(`${edge.folder}/data`);
      const holds = (await callControl(path, request, options)) as readonly Hold[];
      const copies = holds.map(({ score, cause, envelope }) => [
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
