import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import type { HoldFilter, Quarantine } from "../../src/quarantine/quarantine.ts";
import { readAll, toBytesSource } from "../support/bytes-source.ts";
import { testAddress, testHold } from "../support/test-holds.ts";
import { testId } from "../support/test-records.ts";

/** What holds for every implementation of Quarantine. `open` gives an empty one each time. */
export function quarantineConformance(open: () => Promise<Quarantine>): void {
  const behaves = (title: string, check: (quarantine: Quarantine) => Promise<void>) =>
    test(title, async () => {
      const quarantine = await open();
      try {
        await check(quarantine);
      } finally {
        await quarantine.close();
      }
    });
  const numbers = async (quarantine: Quarantine, filter: Partial<HoldFilter>) =>
    (await quarantine.list({ limit: 100, ...filter })).map(({ score }) => score);
  const source = () => toBytesSource("Subject: x\r\n\r\nbody\r\n");

  behaves(
    "what is held comes back octet for octet, with everything that was said of it",
    async (q) => {
      const bytes = randomBytes(300_000);
      const held = await q.hold(testHold(1), toBytesSource(bytes));
      assert.equal(held.sha256, createHash("sha256").update(bytes).digest("hex"));
      assert.deepEqual(held, {
        ...testHold(1),
        id: held.id,
        bytes: bytes.length,
        sha256: held.sha256,
        state: "held",
        releasedBy: null,
      });
      assert.deepEqual(await q.find(held.id), held);
      const opened = await q.open(held.id);
      assert.equal(opened?.size, bytes.length);
      for (const _ of [1, 2]) assert.deepEqual(await readAll(opened!), bytes);
      assert.deepEqual(await q.stats(), { held: 1, bytes: bytes.length });
    },
  );

  behaves("an empty message and two holds of one transaction are kept apart", async (q) => {
    const [a, b] = await Promise.all([
      q.hold(testHold(1), toBytesSource("")),
      q.hold(testHold(1), source()),
    ]);
    assert.notEqual(a.id, b.id);
    assert.equal((await readAll((await q.open(a.id))!)).length, 0);
    assert.equal((await q.list({ transactionId: testId(1), limit: 5 })).length, 2);
  });

  behaves("a source that yields other than it promised is not held", async (q) => {
    const short = { ...toBytesSource("abc"), size: 4 };
    await assert.rejects(q.hold(testHold(1), short), {
      name: "Unavailable",
      dependency: "quarantine",
    });
    const broken = {
      size: 5,
      // biome-ignore lint/correctness/useYield: it fails before the first chunk
      async *read(): AsyncIterable<Buffer> {
        throw new Error("read error");
      },
    };
    await assert.rejects(q.hold(testHold(1), broken), { name: "Unavailable" });
    assert.deepEqual(await q.stats(), { held: 0, bytes: 0 });
  });

  behaves("of many claims for one release exactly one succeeds", async (q) => {
    const { id } = await q.hold(testHold(1), source());
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, i) => q.claimRelease(id, `${i}`)),
    );
    assert.equal(claims.filter(Boolean).length, 1);
    const claimed = await q.find(id);
    assert.equal(claimed?.state, "released");
    assert.equal(claimed?.releasedBy, String(claims.indexOf(true)));
    assert.notEqual(await q.open(id), null);
    await q.unclaimRelease(id);
    assert.deepEqual({ ...(await q.find(id)) }, { ...claimed, state: "held", releasedBy: null });
    assert.equal(await q.claimRelease(id, "again"), true);
  });

  behaves("a deleted message has no bytes, is never released, and is deleted once", async (q) => {
    const { id } = await q.hold(testHold(1), source());
    assert.equal(await q.delete(id, "admin"), true);
    assert.equal(await q.delete(id, "admin"), false);
    assert.equal(await q.open(id), null);
    assert.equal(await q.claimRelease(id, "admin"), false);
    await q.unclaimRelease(id);
    assert.equal((await q.find(id))?.state, "deleted");
    assert.deepEqual(await q.stats(), { held: 0, bytes: 0 });
  });

  behaves(
    "giving back a claim does not bring a message back that was deleted meanwhile",
    async (q) => {
      const { id } = await q.hold(testHold(1), source());
      await q.claimRelease(id, "one");
      assert.equal(await q.delete(id, "two"), true);
      await q.unclaimRelease(id);
      assert.equal((await q.find(id))?.state, "deleted");
    },
  );

  behaves("an id that nobody gave out finds nothing and does nothing", async (q) => {
    for (const id of [
      "",
      "../quarantine.db",
      "/etc/passwd",
      "' OR 1=1 --",
      "0".repeat(16),
      "\u0000",
    ]) {
      assert.equal(await q.find(id), null);
      assert.equal(await q.open(id), null);
      assert.equal(await q.claimRelease(id, "x"), false);
      assert.equal(await q.delete(id, "x"), false);
      await q.unclaimRelease(id);
    }
  });

  behaves(
    "the list filters by parts of addresses, cause, state and time, newest first",
    async (q) => {
      const envelope = {
        ...testHold(0).envelope,
        sender: null,
        recipients: ["bob@example.org", "Carol@example.org"].map((spoken) => ({
          address: testAddress(spoken),
        })),
      };
      for (const n of [1, 3, 2]) await q.hold(testHold(n, { score: n }), source());
      const malware = await q.hold(testHold(4, { score: 4, cause: "malware", envelope }), source());
      await q.delete(malware.id, "x");
      assert.deepEqual(await numbers(q, {}), [4, 3, 2, 1]);
      assert.deepEqual(await numbers(q, { limit: 2 }), [4, 3]);
      assert.deepEqual(await numbers(q, { state: "held", sinceMs: testHold(2).heldAt }), [3, 2]);
      assert.deepEqual(await numbers(q, { recipient: "CAROL@" }), [4]);
      assert.deepEqual(await numbers(q, { sender: "sender@EXAMPLE" }), [3, 2, 1]);
      assert.deepEqual(await numbers(q, { cause: "malware", state: "deleted" }), [4]);
      for (const part of ["%", "_", "'", "\\", "*"])
        assert.deepEqual(await numbers(q, { recipient: part }), []);
    },
  );

  behaves("hostile text comes back as it was", async (q) => {
    const subject = `'); DROP TABLE holds; --\u001b[2J\u202e\u0000`;
    const proto = JSON.parse('{"__proto__": {"polluted": true}}');
    const { id } = await q.hold(testHold(1, { subject, from: "__proto__", ...proto }), source());
    const found = await q.find(id);
    assert.equal(found?.subject, subject);
    assert.equal(found?.from, "__proto__");
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });

  behaves("what is past its date goes, bytes and entry, whatever its state", async (q) => {
    const ids: string[] = [];
    for (const n of [1, 2, 3]) ids.push((await q.hold(testHold(n), source())).id);
    await q.claimRelease(ids[0]!, "x");
    assert.equal(await q.expire(testHold(2).expiresAt), 2);
    assert.equal(await q.expire(testHold(2).expiresAt), 0);
    assert.equal(await q.find(ids[0]!), null);
    assert.equal(await q.open(ids[1]!), null);
    assert.equal((await q.find(ids[2]!))?.state, "held");
  });
}
