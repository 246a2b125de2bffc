import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { postern } from "../support/postern-command.ts";
import { type SentMail, SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import type { TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { storyOf, withEdge } from "../support/with-edge.ts";

const DAY_MS = 86_400_000;
const SPAMMER = "127.0.0.66";
/** Nobody answers DNS questions here: who names a domain has score 6, which is bad and not held. */
const EDGE = {
  policies: {
    "sender-auth": { "sender-domain": { scores: { unresolved: 6 } } },
    limits: { connections: { newPerClientPerMinute: 10_000 } },
  },
} as const;

const send = (edge: TestGateway, localAddress: string, from = "x@spam.test"): Promise<SentMail> =>
  sendMail({ port: edge.port, localAddress, from, message: SIMPLE_MESSAGE });

const isTaken = ({ final }: SentMail) => final?.code === 250;
const isRefused = ({ rcpt }: SentMail) => /^550 5\.7\.1 /.test(rcpt[0]?.text ?? "");

/** How many messages were taken until the first refusal. */
async function spamUntilBlocked(edge: TestGateway): Promise<number> {
  for (let sent = 0; sent < 40; sent++) {
    const one = await send(edge, SPAMMER);
    if (isRefused(one)) return sent;
    assert.ok(isTaken(one));
  }
  return assert.fail("forty messages, and no block");
}

const blockedNow = (edge: TestGateway) =>
  waitUntil(
    () => "the block is not listed",
    async () => {
      const { text } = await postern(edge, "reputation", "blocks", "--json");
      return text.includes(`client:${SPAMMER}`) ? text : undefined;
    },
  );

test("a client who spams is blocked for a day, visibly, and forgiven then", async () => {
  await withEdge(EDGE, async (edge) => {
    const start = Date.now();
    mock.timers.enable({ apis: ["Date"], now: start });
    try {
      assert.ok(isTaken(await send(edge, "127.0.0.67", "")));
      assert.equal(await spamUntilBlocked(edge), 20);
      const [block] = (await blockedNow(edge)).split("\n").map((line) => JSON.parse(line));
      assert.match(block.reason, /^SRL \d; bad \+7\.49 \(20 of 20 messages bad\)/);
      assert.equal(block.until - block.since, DAY_MS);
      const refused = await send(edge, SPAMMER, "");
      assert.ok(isRefused(refused));
      const { code, text } = await postern(edge, "explain", refused.id ?? "");
      assert.equal(code, 0);
      assert.match(text, /reputation: reject, cause client-blocked/);
      assert.match(text, /blocked since .* by reputation\n/);
      assert.match(text, /REPUTATION_BLOCKED 0: until .*SRL \d; bad/);
      assert.ok(isTaken(await send(edge, "127.0.0.67", "")), "his neighbour");
      const shown = await postern(edge, "reputation", "show", SPAMMER);
      assert.match(shown.text, /^client:127\.0\.0\.66\n {2}blocked until .* by reputation, since /);
      assert.match(shown.text, /\n {2}SRL \d of 9.*\n {6}.*bad: 0 of 0 messages bad/);
      assert.match(shown.text, /\n {2}its last mail\n.*reject \(client-blocked\)/);
      mock.timers.setTime(start + DAY_MS - 1000);
      assert.ok(isRefused(await send(edge, SPAMMER, "")));
      mock.timers.setTime(start + DAY_MS + 60_000);
      for (const from of ["x@spam.test", "x@spam.test", "", "", "", "", ""])
        assert.ok(isTaken(await send(edge, SPAMMER, from)), "forgiven");
      assert.equal((await postern(edge, "reputation", "blocks")).text, "nobody is blocked");
    } finally {
      mock.timers.reset();
    }
  });
});

test("several processes learn and block together, and a command excepts without a restart", async () => {
  await withEdge({ ...EDGE, settings: { workers: 2 } }, async (edge) => {
    // What one process learned another sees within a second, so that it may take some more.
    assert.ok((await spamUntilBlocked(edge)) >= 20);
    await blockedNow(edge);
    await waitUntil(
      () => "not all processes know the block",
      async () => {
        const tries = await Promise.all([send(edge, SPAMMER, ""), send(edge, SPAMMER, "")]);
        return tries.every(isRefused) ? true : undefined;
      },
    );
    const words = ["--client", SPAMMER, "--scope", "reputation", "--reason", "ticket 4711"];
    const added = await postern(edge, "allow", "add", ...words);
    assert.equal(added.code, 0, added.err);
    assert.match(added.text, /^[0-9a-f]{10} {2}127\.0\.0\.66 is let past reputation\n/);
    const sent = await waitUntil(
      () => "the exception does not take effect",
      async () => {
        const one = await send(edge, SPAMMER, "");
        return isTaken(one) ? one : undefined;
      },
    );
    const id = added.text.slice(0, 10);
    const { record } = await storyOf(edge, sent.id);
    const mark = record.reports.flatMap(({ verdict }) => verdict.findings)[0];
    assert.equal(mark?.entry, id);
    assert.equal(mark?.detail, `127.0.0.66: ticket 4711 (allow entry ${id} by jane)`);
    await waitUntil(
      () => "the use is not counted",
      async () => {
        const { text } = await postern(edge, "allow", "list", "--json");
        return JSON.parse(text).hits >= 1 ? true : undefined;
      },
    );
    assert.equal((await postern(edge, "allow", "list", "--unused")).text, "none is unused");
    assert.equal((await postern(edge, "block", "remove", id)).code, 1, "it is no block");
    assert.match((await postern(edge, "allow", "remove", id)).text, /removed, was used/);
    const reset = await postern(edge, "reputation", "reset", SPAMMER);
    assert.match(reset.text, /client:127\.0\.0\.66 .*unblocked/);
    await waitUntil(
      () => "the reset does not take effect",
      async () => (isTaken(await send(edge, SPAMMER, "")) ? true : undefined),
    );
  });
});
